"""When a label's story starts, is told again and ends; by day and by night."""

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Literal


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
    """Rules for a part of the day, local time; it may go past midnight."""

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


class RuleBook:
    """Every label's rule at any time, and the one place where a threshold changes while running.

    Labels without a rule make no events.
    """

    def __init__(
        self,
        always: dict[str, Rule],
        profiles: tuple[Profile, ...] = (),
        leave_share: float = 0.75,
        zone: tzinfo | None = None,
    ) -> None:
        """`always` holds where no profile does; the first profile that covers a moment holds.

        `leave_share` of a new enter threshold is its leave threshold; profiles go by the hours
        of `zone` (None: the system's).
        """
        self.always = always
        self.profiles = profiles
        self.leave_share = leave_share
        self._zone = zone

    def at(self, unix_s: float) -> dict[str, Rule]:
        """The rules that hold at that moment, by label."""
        if not self.profiles:
            return self.always
        moment = datetime.fromtimestamp(unix_s, self._zone).astimezone(self._zone)
        minute = moment.hour * 60 + moment.minute
        return next((p.rules for p in self.profiles if p.covers(minute)), self.always)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that has a rule at some time."""
        return tuple(dict.fromkeys(label for rules in self.hours for label in rules))

    def least(self, label: str, key: Literal["enter", "leave"]) -> float:
        """The lowest such threshold of the day: a tracker follows what any hour may want."""
        rules = (rules[label] for rules in self.hours if label in rules)
        return min((getattr(rule, key) for rule in rules), default=1.0)

    def set_threshold(self, label: str, enter: float, leave: float | None = None) -> None:
        """From now on, at every time of the day at which the label has a rule.

        Raises KeyError for a label without a rule, ValueError for a leave above enter.
        """
        leave = self.leave_share * enter if leave is None else leave
        if leave > enter:
            raise ValueError("leave: expected at most enter")
        if label not in self.labels:
            raise KeyError(label)
        self.always = _changed(self.always, label, enter, leave)
        self.profiles = tuple(
            replace(profile, rules=_changed(profile.rules, label, enter, leave))
            for profile in self.profiles
        )

    @property
    def hours(self) -> tuple[dict[str, Rule], ...]:
        """The rules of each part of the day."""
        return (self.always, *(profile.rules for profile in self.profiles))


def _changed(rules: dict[str, Rule], label: str, enter: float, leave: float) -> dict[str, Rule]:
    """A copy, since another thread may be reading these."""
    if label not in rules:
        return rules
    return rules | {label: replace(rules[label], enter=enter, leave=leave)}
