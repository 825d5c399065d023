"""When a label's story starts, is told again and ends; by day and by night."""

from dataclasses import dataclass
from datetime import datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Rule:
    """One label's rule."""

    enter: float
    """A frame agrees from this score on while the label is not there."""
    leave: float
    """A frame disagrees below this score while the label is there."""
    confirm: int = 3
    """Agreeing frames that start a story..."""
    window: int = 0
    """...among so many latest frames; 0: all in a row."""
    release: int = 5
    """Disagreeing frames in a row that end it."""
    min_duration_s: float = 0.0
    """A story that does not last so long is never told."""
    cooldown_s: float = 0.0
    """After a story's end, none of that label starts for so long."""
    update_s: float = 0.0
    """A story that goes on is told again after so long; 0: never."""
    min_area: float = 0.0
    """Boxes smaller than this share of the frame are not there."""
    max_area: float = 1.0
    """Nor are larger ones."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Rules for a part of the day; it may go past midnight."""

    from_minute: int
    """Minutes since midnight, included."""
    until_minute: int
    """Minutes since midnight, excluded."""
    rules: dict[str, Rule]

    def covers(self, minute: int) -> bool:
        """Whether it holds at that minute of the day."""
        if self.from_minute <= self.until_minute:
            return self.from_minute <= minute < self.until_minute
        return minute >= self.from_minute or minute < self.until_minute


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Every label's rule at any time; labels without a rule make no events."""

    always: dict[str, Rule]
    """Where no profile holds."""
    profiles: tuple[Profile, ...] = ()
    """The first that covers a moment holds."""
    zone: tzinfo | None = None
    """Whose hours the profiles count; None: the system's."""

    def at(self, unix_s: float) -> dict[str, Rule]:
        """The rules that hold at that moment, by label."""
        if not self.profiles:
            return self.always
        moment = datetime.fromtimestamp(unix_s, self.zone)
        minute = moment.hour * 60 + moment.minute
        return next((p.rules for p in self.profiles if p.covers(minute)), self.always)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that has a rule at some time."""
        books = (self.always, *(profile.rules for profile in self.profiles))
        return tuple(dict.fromkeys(label for rules in books for label in rules))
