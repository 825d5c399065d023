"""A broker -> the feed's messages, as any reader of the feed receives them."""

import json
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from queue import Empty, Full, Queue
from typing import Any

from edge.config import MqttConfig
from edge.errors import TransientError
from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient
from edge.text import shown

log = logging.getLogger(__name__)

RECEIVED = 16_777_216
"""Bytes of a message that is read, at most: a picture of the largest cameras."""
BACKLOG = 10_000
"""Messages held for a reader that is slower than the feed; more are counted as missed."""
ANSWER_S = 5.0
"""How long a device may take to answer, and to send the next event of a replay."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of the feed."""

    device: str
    source: str
    """Empty for what speaks of the whole device; `command` for commands and their answers."""
    kind: str
    """The last part of the topic: event, state, observation, status, availability."""
    payload: str
    received_unix_s: float
    retained: bool
    asked: bool = False
    """Sent again, to this reader alone, because it asked."""

    @property
    def content(self) -> dict[str, Any]:
        """The payload's JSON object; empty where it is none."""
        try:
            value = json.loads(self.payload)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Reader:
    """All messages of one device, or of all with `+`. `with` means: connected and subscribed."""

    def __init__(self, config: MqttConfig, device: str = "+") -> None:
        self._device = device
        self._name = f"reader-{secrets.token_hex(8)}"
        self._queue: Queue[Received] = Queue(BACKLOG)
        self._early: deque[Received] = deque(maxlen=BACKLOG)
        """What came while a replay was waited for."""
        self.missed = 0
        self._client = MqttClient(config, client_id="", received=RECEIVED)
        self._client.listen(f"{ROOT}/{device}/#", self._receive)

    def __enter__(self) -> "Reader":
        """Raises TransientError where no broker answers, FatalError where it refuses us."""
        self._client.__enter__()
        self._answered()
        if not self._client.connected.is_set():
            self._client.__exit__()
            self._client.check()
            raise TransientError(f"broker {self._client.address} is not reachable")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def messages(
        self,
        timeout_s: float | None = None,
        counts: Callable[[Received], bool] = lambda _: True,
    ) -> Iterator[Received]:
        """Messages as they come; ends when none of those that count came for `timeout_s`."""
        while self._early:
            yield self._early.popleft()
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while (received := self._next(until_s)) is not None:
            if timeout_s is not None and counts(received):
                until_s = time.monotonic() + timeout_s
            yield received

    def replay(self, since: int, patience_s: float = ANSWER_S) -> Iterator[Received]:
        """The device's events from that seq on, sent to this reader alone. What comes meanwhile
        waits for `messages`.

        Raises TransientError where the device refuses, or does not answer for `patience_s`.
        """
        asked = {"from_seq": max(1, since), "reader": self._name, "id": self._name}
        topic = f"{ROOT}/{self._device}/command/replay"
        self._client.publish(Message(topic, json.dumps(asked)))
        told: set[tuple[object, object]] = set()
        expected: int | None = None
        until_s = time.monotonic() + patience_s
        while expected is None or len(told) < expected:
            received = self._next(until_s)
            if received is None:
                self._gave_up(expected, len(told))
                break
            if received.asked and (number := _number(received)) not in told:
                told.add(number)
                yield received
            elif received.kind == "result" and received.content.get("id") == self._name:
                expected = self._promised(received.content)
            elif not received.asked:
                self._early.append(received)
                continue
            until_s = time.monotonic() + patience_s
        known = (one for one in self._early if one.kind != "event" or _number(one) not in told)
        self._early = deque(known, BACKLOG)

    def _next(self, until_s: float | None) -> Received | None:
        """The next message; None: none came until then."""
        left_s = None if until_s is None else until_s - time.monotonic()
        try:
            return self._queue.get(timeout=left_s) if left_s is None or left_s > 0 else None
        except Empty:
            return None

    def _promised(self, result: dict[str, Any]) -> int:
        if not result.get("ok"):
            said = shown(str(result.get("error")))
            raise TransientError(f"device {self._device} does not replay its events: {said}")
        return int(result.get("events") or 0)

    def _gave_up(self, expected: int | None, came: int) -> None:
        if expected is None:
            raise TransientError(
                f"device {self._device} does not answer to command/replay: is it running, and may "
                "this user publish there?"
            )
        log.warning("%d of %d replayed events came", came, expected)

    def _answered(self, within_s: float = 5.0) -> bool:
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s and not self._client.refused:
            if self._client.connected.wait(0.02):
                return True
        return False

    def _receive(self, message: Message) -> None:
        received = self._sorted(message)
        if received is None:
            return
        try:
            self._queue.put_nowait(received)
        except Full:
            self.missed += 1

    def _sorted(self, message: Message) -> Received | None:
        """None for what is not for this reader."""
        device, *rest = message.topic.split("/")[1:]
        text, now_s, retained = message.text, time.time(), message.retain
        match rest:
            case [kind]:
                return Received(device, "", kind, text, now_s, retained)
            case [source, kind]:
                return Received(device, source, kind, text, now_s, retained)
            case ["command", _, "result"]:
                return Received(device, "command", "result", text, now_s, retained)
            case ["command", "replay", "to", self._name]:
                made = Received(device, "", "event", text, now_s, retained, asked=True)
                return replace(made, source=str(made.content.get("source", "")))
            case _:
                return None


def _number(received: Received) -> tuple[object, object]:
    """What no two events of a device have in common."""
    event = received.content
    return str(event.get("boot_id")), str(event.get("seq"))
