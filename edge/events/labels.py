"""Whole-frame labels over time -> Events: a classifier's stories, one at a time per label."""

from collections.abc import Iterator
from itertools import count

from edge.events.rules import Rule, RuleBook
from edge.events.story import Story, moment
from edge.types import Box, Detection, Event, Frame


class EventTracker:
    """One source's labels with votes and hysteresis: each story has one start and one end."""

    def __init__(self, rules: RuleBook, numbers: Iterator[int] | None = None) -> None:
        """Labels without a rule make no events. `numbers` names the stories."""
        self._rules = rules
        self._numbers = numbers if numbers is not None else count(1)
        self._order = {label: place for place, label in enumerate(rules.labels)}
        self._stories: dict[str, Story] = {}
        """Of the labels that hold, or that a recent frame spoke for."""
        self._ended_s: dict[str, float] = {}
        self._busy = False

    def rest(self, ended_s: dict[str, float]) -> None:
        """Cool-downs go on: when each label's latest story ended, at the frames' `mono_s`. It is
        kept up to date."""
        self._ended_s = ended_s

    @property
    def busy(self) -> bool:
        """Whether a story is about to start or to end: then every frame counts."""
        return self._busy

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where something is: a whole-frame label is nowhere in particular."""
        return ()

    def update(self, frame: Frame, detections: tuple[Detection, ...]) -> tuple[Event, ...]:
        """One frame's detections -> the stories that start, go on or end with it.

        A frame that the model's reject rule turned away speaks for its own label alone, and so
        against every other.
        """
        scores: dict[str, float] = {}
        for detection in detections:
            scores[detection.label] = max(detection.score, scores.get(detection.label, 0.0))
        rules = self._rules.at(frame.unix_s)
        watched = (scores.keys() | self._stories.keys()) & self._order.keys()
        events = (
            self._step(label, scores.get(label, 0.0), frame, rules.get(label))
            for label in sorted(watched, key=self._order.__getitem__)
        )
        told = tuple(event for event in events if event is not None)
        self._busy = any(story.unsettled for story in self._stories.values())
        return told

    def hold(self, frame: Frame) -> tuple[Event, ...]:
        """Nothing moved since the last look: what held still holds."""
        rules = self._rules.at(frame.unix_s)
        told = []
        for label, story in self._stories.items():
            if story.last is not None and story.missed == 0:
                story.last = moment(frame)
            rule = rules.get(label)
            if rule is not None and story.due_again(frame, rule):
                told.append(story.tell("update", frame))
        return tuple(told)

    def finish(self, frame: Frame) -> tuple[Event, ...]:
        """The source has ended with `frame`: close every open story."""
        told = [label for label, story in self._stories.items() if story.number is not None]
        return tuple(self._end(label, frame) for label in sorted(told, key=self._order.__getitem__))

    def _step(self, label: str, score: float, frame: Frame, rule: Rule | None) -> Event | None:
        story = self._stories.get(label) or Story(label)
        if rule is None:  # a label that is off at this time of the day
            return self._close(label, story, frame)
        if story.first is not None or not self._resting(label, frame, rule):
            story.look(frame, score, rule)
        if story.blank or story.missed >= rule.release:
            return self._close(label, story, frame)
        self._stories[label] = story
        if story.due(frame, rule):
            story.number = next(self._numbers)
            return story.tell("start", frame)
        if story.due_again(frame, rule):
            return story.tell("update", frame)
        return None

    def _resting(self, label: str, frame: Frame, rule: Rule) -> bool:
        ended_s = self._ended_s.get(label)
        return ended_s is not None and frame.mono_s - ended_s < rule.cooldown_s

    def _close(self, label: str, story: Story, frame: Frame) -> Event | None:
        if story.number is not None:
            return self._end(label, frame)
        self._stories.pop(label, None)
        return None

    def _end(self, label: str, frame: Frame) -> Event:
        event = self._stories.pop(label).tell("end", frame)
        self._ended_s[label] = frame.mono_s
        return event
