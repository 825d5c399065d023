"""Observations and events -> payloads on their topics. What the daemon tells the world."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Protocol

from edge.config import Config
from edge.feed import payloads
from edge.feed.mqtt import Message, MqttClient
from edge.types import Event, Observation

log = logging.getLogger(__name__)

ROOT = "hedgerow"
GOODBYE_S = 1.0
"""How long the end waits for the broker's acknowledgements: exit within 2 s is the promise."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks: the same in every payload of one run."""

    device: str
    boot_id: str
    model: payloads.ModelRef

    def on(self, delegate: str) -> "Identity":
        """The same, running on another delegate."""
        model = self.model.model_copy(update={"delegate": delegate})
        return replace(self, model=model)


class Sink(Protocol):
    """Where messages go."""

    def publish(self, message: Message) -> None:
        """Take one message; may queue it."""
        ...

    def flush(self, timeout_s: float) -> int:
        """Wait until all is out; returns how many messages are not."""
        ...


class JsonLines:
    """Events and observations as lines on stdout."""

    def publish(self, message: Message) -> None:
        """Print it if it is an event or an observation."""
        if message.topic.endswith(("/event", "/observation")):
            sys.stdout.write(message.payload + "\n")
            sys.stdout.flush()

    def flush(self, timeout_s: float) -> int:  # noqa: ARG002
        """Nothing waits."""
        return 0


class Feed:
    """One daemon's voice on all its sinks; thread-safe."""

    def __init__(self, identity: Identity, sinks: tuple[Sink, ...], observations: bool) -> None:
        self._identity = identity
        self._sinks = sinks
        self._observations = observations
        self._topic = f"{ROOT}/{identity.device}"
        self._lock = Lock()
        self._seq = count(1)
        self._holding: dict[str, dict[str, Event]] = {}

    def runs_on(self, delegate: str) -> None:
        """Events name this delegate from now on."""
        self._identity = self._identity.on(delegate)

    def observe(self, source: str, seen: Observation, live: bool) -> None:
        """One frame's labels and events."""
        if self._observations:
            payload = payloads.observation(self._identity.device, source, seen)
            self._send(f"{source}/observation", payload.to_json(), qos=0)
        for event in seen.events:
            self.tell(source, event, live)

    def tell(self, source: str, event: Event, live: bool) -> None:
        """One event, then the state that holds after it."""
        who = self._identity
        with self._lock:
            payload = payloads.EventPayload(
                event_type=event.kind,
                id=f"{who.device}-{who.boot_id}-{event.story}",
                seq=next(self._seq),
                boot_id=who.boot_id,
                device=who.device,
                source=source,
                label=event.label,
                score=event.score,
                box=event.box,
                track=None,
                zones=(),
                time=payloads.iso(event.unix_s),
                clock=payloads.Clock(synced=live and clock_synced(), virtual=not live),
                started=payloads.iso(event.started_unix_s),
                duration_s=event.duration_s,
                frames_seen=event.frames_seen,
                frames_agreeing=event.frames_agreeing,
                model=who.model,
                replayed=False,
            )
            self._send(f"{source}/event", payload.to_json())
            holding = self._holding.setdefault(source, {})
            if event.kind == "end":
                holding.pop(event.label, None)
            else:
                holding[event.label] = event
            self.state(source, event.unix_s)
        log.info("%s: %s %s %.2f", source, event.kind, event.label, event.score)

    def state(self, source: str, unix_s: float) -> None:
        """What holds now, retained."""
        holding = self._holding.get(source, {})
        payload = payloads.state(self._identity.device, source, holding, unix_s)
        self._send(f"{source}/state", payload.to_json(), retain=True)

    def available(self, source: str, online: bool) -> None:
        """Whether a source delivers frames, retained."""
        self._send(f"{source}/availability", "online" if online else "offline", retain=True)

    def status(self, status: payloads.StatusPayload) -> None:
        """How the daemon is doing, retained."""
        self._send("status", status.to_json(), retain=True)

    def flush(self, timeout_s: float) -> int:
        """Wait for the sinks; returns how many messages are not out."""
        return sum(sink.flush(timeout_s) for sink in self._sinks)

    def _send(self, topic: str, payload: str, qos: int = 1, retain: bool = False) -> None:
        message = Message(f"{self._topic}/{topic}", payload, qos, retain)
        for sink in self._sinks:
            sink.publish(message)


@contextmanager
def connection(config: Config) -> Iterator[MqttClient]:
    """The daemon's MQTT connection: `online` whenever connected, `offline` when gone."""
    topic = f"{ROOT}/{config.device}/availability"
    will = Message(topic, "offline", retain=True)

    with MqttClient(config.mqtt, f"hedgerow-{config.device}", will) as client:
        client.publish(Message(topic, "online", retain=True))
        try:
            yield client
        finally:
            if client.connected.is_set():
                client.publish(will)
                client.flush(GOODBYE_S)


def clock_synced() -> bool:
    """Whether some time service holds the kernel's clock: adjtimex(2), TIME_ERROR is 5."""
    import ctypes

    timex = ctypes.create_string_buffer(512)
    try:
        return ctypes.CDLL(None).adjtimex(timex) not in (-1, 5)
    except AttributeError:
        return False


def temperature_c() -> float | None:
    """The processor's temperature, °C, where the kernel tells it."""
    try:
        text = Path("/sys/class/thermal/thermal_zone0/temp").read_text(encoding="ascii")
        return int(text) / 1000
    except (OSError, ValueError):
        return None


def now() -> str:
    """This moment, ISO 8601."""
    return payloads.iso(time.time())


def parse(payload: str) -> dict[str, object]:
    """A payload from the feed; empty where it is not a JSON object."""
    try:
        value = json.loads(payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
