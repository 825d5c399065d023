"""Detections over time -> Events. Pure: time comes in with the frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

from edge.types import Detection, Event, Frame


@dataclass(frozen=True, slots=True)
class Rule:
    """When a label's story starts and ends."""

    enter: float
    """A frame agrees from this score on while the label is not there."""
    leave: float
    """A frame disagrees below this score while the label is there."""
    confirm: int = 3
    """Agreeing frames in a row that start a story."""
    release: int = 5
    """Disagreeing frames in a row that end it."""


@dataclass(slots=True)
class _Story:
    """What is remembered of one label."""

    number: int | None = None
    """None until it is confirmed."""
    streak: int = 0
    """Agreeing frames in a row before the start, disagreeing ones after it."""
    best: float = 0.0
    seen: int = 0
    agreeing: int = 0
    first: Frame | None = None
    last: Frame | None = None


class EventTracker:
    """One source's labels with hysteresis: each story is told once, with a start and an end."""

    def __init__(self, rules: dict[str, Rule], numbers: Iterator[int] | None = None) -> None:
        """`rules` by label; labels without a rule make no events. `numbers` names the stories."""
        self._rules = rules
        self._numbers = numbers if numbers is not None else count(1)
        self._order = {label: place for place, label in enumerate(rules)}
        self._stories: dict[str, _Story] = {}

    def update(self, frame: Frame, detections: tuple[Detection, ...]) -> tuple[Event, ...]:
        """One frame's detections -> the stories that start or end with it."""
        scores: dict[str, float] = {}
        for detection in detections:
            scores[detection.label] = max(detection.score, scores.get(detection.label, 0.0))
        watched = (scores.keys() | self._stories.keys()) & self._rules.keys()
        ordered = sorted(watched, key=self._order.__getitem__)
        events = (self._step(label, scores.get(label, 0.0), frame) for label in ordered)
        return tuple(event for event in events if event is not None)

    def finish(self, frame: Frame) -> tuple[Event, ...]:
        """The source has ended with `frame`: close every open story."""
        told = [label for label, story in self._stories.items() if story.number is not None]
        return tuple(self._end(label, frame) for label in sorted(told, key=self._order.__getitem__))

    def _step(self, label: str, score: float, frame: Frame) -> Event | None:
        story, rule = self._stories.get(label), self._rules[label]
        if story is None or story.number is None:
            if score < rule.enter:
                self._stories.pop(label, None)
                return None
            story = self._stories.setdefault(label, _Story())
            self._agree(story, score, frame)
            story.streak += 1
            if story.streak < rule.confirm:
                return None
            story.number, story.streak = next(self._numbers), 0
            return _event("start", label, story, frame)
        if score >= rule.leave:
            self._agree(story, score, frame)
            story.streak = 0
            return None
        story.seen += 1
        story.streak += 1
        return self._end(label, frame) if story.streak >= rule.release else None

    def _end(self, label: str, frame: Frame) -> Event:
        return _event("end", label, self._stories.pop(label), frame)

    @staticmethod
    def _agree(story: _Story, score: float, frame: Frame) -> None:
        story.first = story.first or frame
        story.last = frame
        story.best = max(story.best, score)
        story.seen += 1
        story.agreeing += 1


def _event(kind: Literal["start", "end"], label: str, story: _Story, frame: Frame) -> Event:
    assert story.number is not None and story.first is not None and story.last is not None
    return Event(
        kind=kind,
        story=story.number,
        label=label,
        score=story.best,
        unix_s=frame.unix_s,
        started_unix_s=story.first.unix_s,
        duration_s=story.last.mono_s - story.first.mono_s,
        frames_seen=story.seen,
        frames_agreeing=story.agreeing,
    )
