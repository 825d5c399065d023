"""Tracks over time -> Events: every object's own story, with the zones it walks through."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Protocol

from edge.events.rules import Rule, RuleBook
from edge.events.story import Story, moment
from edge.types import Box, Change, Detection, Event, Frame, Track


class Follow(Protocol):
    """What gives objects their numbers; edge.track has it."""

    def update(self, frame: Frame, detections: tuple[Detection, ...]) -> tuple[Track, ...]:
        """One frame's detections -> every live track."""
        ...

    def hold(self, frame: Frame) -> tuple[Track, ...]:
        """Nothing moved: every track stays as it is."""
        ...


class Locate(Protocol):
    """What knows the places in the frame; edge.zones has it."""

    def ignores(self, detection: Detection) -> bool:
        """Whether it lies where nothing counts."""
        ...

    def update(self, frame: Frame, tracks: tuple[Track, ...]) -> dict[int, tuple[Change, ...]]:
        """What each track's latest move means."""
        ...

    def dwell(self, number: int, frame: Frame) -> dict[str, float]:
        """The zones a track is in, each with the seconds it has been there."""
        ...

    def admitted(self, number: int) -> bool:
        """Whether a track has been where its story counts."""
        ...

    @property
    def unsettled(self) -> bool:
        """Whether the next frames decide where somebody is."""
        ...


@dataclass(slots=True)
class _Object:
    story: Story
    box: Box
    number: int
    """The track's."""
    untold: list[Change] = field(default_factory=list)


class ObjectEvents:
    """One source's objects: a start when one is sure, updates where it goes, one end."""

    def __init__(
        self,
        rules: RuleBook,
        follow: Follow,
        places: Locate,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self._rules = rules
        self._follow = follow
        self._places = places
        self._numbers = numbers if numbers is not None else count(1)
        self._objects: dict[int, _Object] = {}
        self._busy = False
        self._boxes: tuple[Box, ...] = ()
        self._ended_s: dict[str, float] = {}

    def rest(self, ended_s: dict[str, float]) -> None:
        """Cool-downs go on: when each label's latest story ended, at the frames' `mono_s`. It is
        kept up to date."""
        self._ended_s = ended_s

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where the objects are that are being followed."""
        return self._boxes

    @property
    def busy(self) -> bool:
        """Whether an object is unseen, or neither it nor its place is sure: every frame counts."""
        return self._busy

    def update(self, frame: Frame, detections: tuple[Detection, ...]) -> tuple[Event, ...]:
        """One frame's detections -> the events that it decides."""
        rules = self._rules.at(frame.unix_s)
        counted = tuple(d for d in detections if self._counts(d, rules.get(d.label)))
        tracks = self._follow.update(frame, counted)
        changes = self._places.update(frame, tracks)
        events = self._gone(frame, {track.number for track in tracks})
        for track in tracks:
            known = self._objects.get(track.number)
            if known is None:
                known = _Object(Story(track.label), track.box, track.number)
                self._objects[track.number] = known
            known.box = track.box
            known.untold += changes.get(track.number, ())
            rule = rules.get(track.label)
            if rule is not None:
                known.story.look(frame, track.score if track.seen else 0.0, rule)
                events += self._tell(known, frame, rule)
        self._boxes = tuple(track.box for track in tracks)
        self._busy = not all(t.seen and not self._votes(t.number) for t in tracks)
        self._busy |= self._places.unsettled
        return tuple(events)

    def _votes(self, number: int) -> bool:
        return self._objects[number].story.first is None

    def hold(self, frame: Frame) -> tuple[Event, ...]:
        """Nothing moved since the last look: what held still holds."""
        rules = self._rules.at(frame.unix_s)
        events: list[Event] = []
        unseen = tuple(replace(track, seen=False) for track in self._follow.hold(frame))
        changes = self._places.update(frame, unseen)
        for known in self._objects.values():
            if known.story.last is not None and known.story.missed == 0:
                known.story.last = moment(frame)
            known.untold += changes.get(known.number, ())
            rule = rules.get(known.story.label)
            if rule is not None:
                events += self._tell(known, frame, rule)
        return tuple(events)

    def finish(self, frame: Frame) -> tuple[Event, ...]:
        """The source has ended with `frame`: close every open story."""
        return tuple(self._gone(frame, set()))

    def _tell(self, known: _Object, frame: Frame, rule: Rule) -> list[Event]:
        story, events = known.story, []
        if story.number is None:
            resting = frame.mono_s - self._ended_s.get(story.label, float("-inf"))
            ready = story.due(frame, rule) and self._places.admitted(known.number)
            if not ready or resting < rule.cooldown_s:
                return []
            story.number = next(self._numbers)
            where = self._where(known, frame)
            events.append(story.tell("start", frame, change="appeared", **where))
            known.untold = [c for c in known.untold if _still_news(c, where["zones"])]
        for change in known.untold:
            details = {"change": change.what, "place": change.place, "direction": change.direction}
            events.append(story.tell("update", frame, **details, **self._where(known, frame)))
        known.untold.clear()
        if story.due_again(frame, rule):
            events.append(
                story.tell("update", frame, change="goes_on", **self._where(known, frame))
            )
        return events

    def _gone(self, frame: Frame, alive: set[int]) -> list[Event]:
        events = []
        for number in [number for number in self._objects if number not in alive]:
            known = self._objects.pop(number)
            if known.story.number is not None:
                where = self._where(known, frame)
                events.append(known.story.tell("end", frame, change="gone", **where))
                self._ended_s[known.story.label] = frame.mono_s
        return events

    def _where(self, known: _Object, frame: Frame) -> dict[str, Any]:
        dwell_s = self._places.dwell(known.number, frame)
        return {"box": known.box, "track": known.number, "zones": dwell_s}

    def _counts(self, detection: Detection, rule: Rule | None) -> bool:
        box = detection.box
        if rule is None or box is None or self._places.ignores(detection):
            return False
        cut = box.cut()
        area = (cut.x_max - cut.x_min) * (cut.y_max - cut.y_min)
        return rule.min_area <= area <= rule.max_area


def _still_news(change: Change, zones: dict[str, float]) -> bool:
    """What came before the start was told and its zones do not say: crossings, and who stayed."""
    return change.what == "crossed" or (change.what == "stayed" and change.place in zones)
