"""Observations and events -> payloads on their topics. What the daemon tells the world."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from threading import Lock

from edge.config import FeedConfig
from edge.feed import incidence, payloads
from edge.feed.clock import Clock, Moment
from edge.feed.entry import Entry
from edge.feed.holding import Holding
from edge.feed.message import ROOT, Message
from edge.feed.open_stories import Left
from edge.feed.ways import Ways
from edge.summary import Day
from edge.text import shown
from edge.types import Event, Observation, ViewState

log = logging.getLogger(__name__)

JUMP_S = 1.0
"""Clocks that differ by less were only slewed."""


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


class Feed:
    """One daemon's voice on all its ways; thread-safe."""

    def __init__(self, identity: Identity, ways: Ways, config: FeedConfig, clock: Clock) -> None:
        self._identity = identity
        self._ways = ways
        self._observations = config.observations
        self.snapshots = config.snapshots
        """Whether the picture of every event's start is wanted."""
        self._clock = clock
        self._topic = f"{ROOT}/{identity.device}"
        self._lock = Lock()
        self._seq = ways.outbox.numbers if ways.outbox else count(1)
        self._holding: dict[str, Holding] = {}
        self._offsets_s: dict[int, float] = {}
        """By open story: wall clock minus monotonic clock when it began."""

    @contextmanager
    def changing(self) -> Iterator[None]:
        """No event is told meanwhile: they wait. `follow` is called within."""
        with self._lock:
            yield

    def follow(self, identity: Identity, ways: Ways, config: FeedConfig) -> None:
        """Go on with what a reload has changed: what holds, and the numbers, go on."""
        if ways.outbox is not self._ways.outbox:
            numbers = ways.outbox.numbers if ways.outbox else count(1)
            self._seq = count(max(next(numbers), next(self._seq)))
        self._identity, self._ways = identity, ways
        self._topic = f"{ROOT}/{identity.device}"
        self._observations, self.snapshots = config.observations, config.snapshots

    def inherit(self) -> None:
        """End the stories that an earlier run left open, in the journal and on every way."""
        if self._ways.outbox is not None:
            self._ways.outbox.inherit(self._end_lost)

    def _end_lost(self, left: Left) -> None:
        """What is known goes into it: the latest event, and how long its run went on."""
        latest, shift_s = left.latest, left.latest.shift_s
        try:
            told = payloads.ended_later(
                latest.payload, self._identity.boot_id, left.idle_s, shift_s
            )
        except (ValueError, KeyError, TypeError):
            log.warning("outbox: %s is no event that can be ended", shown(latest.payload))
            return
        with self._lock:
            told["seq"] = seq = next(self._seq)
            text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
            entry = replace(
                latest, seq=seq, payload=text, urgent=True, ends=True,
                mono_s=self._clock.read().mono_s,
                correctable=latest.correctable and not shift_s, shift_s=0.0,
            )  # fmt: skip
            self._put(entry)
        log.info("%s: a story that the last run left open is ended", shown(latest.topic))

    def _put(self, entry: Entry) -> None:
        if self._ways.outbox is not None:
            self._ways.outbox.put(entry)
        message = Message(entry.topic, entry.payload)
        for sink in self._ways.others:
            sink.publish(message)

    def runs_on(self, delegate: str) -> None:
        """Events name this delegate from now on."""
        self._identity = self._identity.on(delegate)

    def observe(self, source: str, seen: Observation, live: bool) -> None:
        """One frame's labels and events."""
        if self._observations and seen.looked:
            view = self._held(source).view
            payload = payloads.observation(self._identity.device, source, seen, view)
            self._send(f"{source}/observation", payload.to_json(), qos=0)
        for event in seen.events:
            self.tell(source, event, live)

    def tell(self, source: str, event: Event, live: bool) -> None:
        """One event, then the state that holds after it."""
        with self._lock:
            now = self._clock.read()
            event = self._on_todays_clock(event, now, live)
            self._event(source, event, now, live)
            self._held(source).tell(event)
            self.state(source, event.unix_s)
        log.info("%s: %s %s %.2f", source, event.kind, shown(event.label), event.score)

    def _on_todays_clock(self, event: Event, now: Moment, live: bool) -> Event:
        """A story that began before somebody set the clock began on another clock."""
        began_s = self._offsets_s.setdefault(event.story, now.offset_s)
        if event.kind == "end":
            del self._offsets_s[event.story]
        jump_s = now.offset_s - began_s if live else 0.0
        if abs(jump_s) < JUMP_S:
            return event
        return replace(event, started_unix_s=event.started_unix_s + jump_s)

    def _event(self, source: str, event: Event, now: Moment, live: bool) -> None:
        who = self._identity
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
            track=event.track,
            change=event.change,
            place=event.place,
            direction=event.direction,
            zones=tuple(event.zones),
            dwell_s=event.zones,
            view=self._held(source).view,
            time=payloads.iso(event.unix_s),
            clock=payloads.Clock(synced=live and now.synced, virtual=not live),
            started=payloads.iso(event.started_unix_s),
            duration_s=event.duration_s,
            frames_seen=event.frames_seen,
            frames_agreeing=event.frames_agreeing,
            model=who.model,
            replayed=False,
        )
        self._put(
            Entry(
                payload.seq, f"{self._topic}/{source}/event", payload.to_json(),
                event.kind != "update", live and not now.synced, now.mono_s, now.offset_s,
                story=payload.id, ends=event.kind == "end",
            )
        )  # fmt: skip

    def state(self, source: str, unix_s: float) -> None:
        """What holds now, retained."""
        payload = payloads.state(self._identity.device, source, self._held(source), unix_s)
        self._send(f"{source}/state", payload.to_json(), retain=True)

    def view(self, source: str, state: ViewState, unix_s: float) -> None:
        """Whether a camera can see; its state says so at once, but for the first time."""
        with self._lock:
            held = self._held(source)
            first = held.view is None
            held.view, held.view_unix_s = state, unix_s
            if not first:
                self.state(source, unix_s)

    def _held(self, source: str) -> Holding:
        return self._holding.setdefault(source, Holding())

    def snapshot(self, source: str, jpeg: bytes) -> str:
        """A picture, not stored anywhere; returns its topic."""
        self._send(f"{source}/snapshot", jpeg)
        return f"{self._topic}/{source}/snapshot"

    def summary(self, source: str, day: Day, complete: bool) -> None:
        """What a day's frames showed so far, retained."""
        who = self._identity
        payload = incidence.SummaryPayload(
            device=who.device,
            source=source,
            date=day.date,
            since=payloads.iso(day.since_unix_s),
            complete=complete,
            frames=day.frames,
            labels=incidence.shares(day),
            model=who.model,
            time=payloads.iso(time.time()),
        )
        self._send(f"{source}/summary", payload.to_json(), retain=True)

    def available(self, source: str, online: bool) -> None:
        """Whether a source delivers frames, retained."""
        self._send(f"{source}/availability", "online" if online else "offline", retain=True)

    def status(self, status: payloads.StatusPayload) -> None:
        """How the daemon is doing, retained."""
        self._send("status", status.to_json(), retain=True)

    def flush(self, timeout_s: float) -> int:
        """Wait for the broker; returns how many events and messages it has not acknowledged."""
        began_s = time.monotonic()
        missing = self._ways.outbox.flush(timeout_s) if self._ways.outbox else 0
        left_s = max(0.0, timeout_s - (time.monotonic() - began_s))
        return missing + (self._ways.client.flush(left_s) if self._ways.client else 0)

    def _send(self, topic: str, payload: str | bytes, qos: int = 1, retain: bool = False) -> None:
        message = Message(f"{self._topic}/{topic}", payload, qos, retain)
        if self._ways.client is not None:
            self._ways.client.publish(message)
        for sink in self._ways.others:
            sink.publish(message)
