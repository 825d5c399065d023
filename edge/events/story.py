"""One story from its first agreeing frame to its end, whatever it is a story of."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from edge.events.rules import Rule
from edge.types import Event, Frame


class Moment(NamedTuple):
    """When a frame was taken, without its pixels."""

    mono_s: float
    unix_s: float


def moment(frame: Frame) -> Moment:
    """A frame's times."""
    return Moment(frame.mono_s, frame.unix_s)


@dataclass(slots=True)
class Story:
    """Votes until it holds; then counts; told when it has lasted long enough."""

    label: str
    number: int | None = None
    """None until it is told."""
    best: float = 0.0
    seen: int = 0
    agreeing: int = 0
    missed: int = 0
    """Disagreeing frames in a row."""
    first: Moment | None = None
    """Of the first agreeing frame; None while there are too few votes."""
    last: Moment | None = None
    """Of the latest agreeing frame."""
    told_s: float = 0.0
    _votes: deque[tuple[Moment, float, bool]] = field(default_factory=deque)

    def look(self, frame: Frame, score: float, rule: Rule) -> None:
        """One more frame: a vote before it holds, then agreement or disagreement."""
        if self.first is None:
            self._vote(moment(frame), score, rule)
        elif score >= rule.leave:
            self.seen += 1
            self._agree(moment(frame), score)
        else:
            self.seen += 1
            self.missed += 1

    @property
    def blank(self) -> bool:
        """Whether nothing speaks for it."""
        return self.first is None and not self._votes

    @property
    def unsettled(self) -> bool:
        """Whether the next frames decide that it starts or ends."""
        return self.first is None or self.number is None or self.missed > 0

    def due(self, frame: Frame, rule: Rule) -> bool:
        """Whether it holds, untold, and has lasted long enough."""
        if self.first is None or self.last is None or self.number is not None:
            return False
        return self.missed == 0 and frame.mono_s - self.first.mono_s >= rule.min_duration_s

    def due_again(self, frame: Frame, rule: Rule) -> bool:
        """Whether an update is due on the slow schedule."""
        if self.number is None or rule.update_s <= 0:
            return False
        return frame.mono_s - self.told_s >= rule.update_s

    def tell(self, kind: Literal["start", "update", "end"], frame: Frame, **more: Any) -> Event:
        """The event of this moment; `more` are fields of Event."""
        assert self.number is not None and self.first is not None and self.last is not None
        self.told_s = frame.mono_s
        return Event(
            kind=kind,
            story=self.number,
            label=self.label,
            score=self.best,
            unix_s=frame.unix_s,
            started_unix_s=self.first.unix_s,
            duration_s=self.last.mono_s - self.first.mono_s,
            frames_seen=self.seen,
            frames_agreeing=self.agreeing,
            **more,
        )

    def _vote(self, at: Moment, score: float, rule: Rule) -> None:
        self._votes.append((at, score, score >= rule.enter))
        while len(self._votes) > max(rule.window, rule.confirm):
            self._votes.popleft()
        while self._votes and not self._votes[0][2]:
            self._votes.popleft()
        if sum(agrees for _, _, agrees in self._votes) < rule.confirm:
            return
        self.first, self.seen = self._votes[0][0], len(self._votes)
        for voted, value, agrees in self._votes:
            if agrees:
                self._agree(voted, value)
        self._votes.clear()

    def _agree(self, at: Moment, score: float) -> None:
        self.last = at
        self.best = max(self.best, score)
        self.agreeing += 1
        self.missed = 0
