"""What frames were found to show -> incidence per day, with an honest interval. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from edge.types import Detection

Z = 1.959964
"""The normal distribution's 97.5 % point: intervals of 95 %."""


@dataclass(slots=True)
class Day:
    """One source's day: of so many sampled frames, how many show each label."""

    date: str
    """Local, ISO 8601."""
    since_unix_s: float
    """When its first frame was taken."""
    frames: int = 0
    counts: dict[str, int] = field(default_factory=dict)


class Tally:
    """One source's frames, sampled and counted: `add` gives the day that has ended, if one has."""

    def __init__(
        self,
        thresholds: Callable[[], Mapping[str, float]],
        sample_s: float,
        zone: tzinfo | None = None,
    ) -> None:
        """A frame shows a label from its threshold on, as it is at that moment; one frame counts
        every `sample_s`. Days are those of `zone` (None: the system's)."""
        self._thresholds = thresholds
        self._sample_s = sample_s
        self._zone = zone
        self._next_s = float("-inf")
        self.day: Day | None = None
        """The day that goes on; None before the first frame."""

    def add(
        self, unix_s: float, detections: tuple[Detection, ...], virtual: bool = False
    ) -> Day | None:
        """One more frame that the model looked at. A virtual clock has no days: all is one."""
        zone = UTC if virtual else self._zone
        date = datetime.fromtimestamp(unix_s, zone).astimezone(zone).date().isoformat()
        new = self.day is None or (self.day.date != date and not virtual)
        ended = self.day if new else None
        if self.day is None or new:
            self.day = Day(date, unix_s, counts=dict.fromkeys(self._thresholds(), 0))
        set_back = unix_s < self._next_s - self._sample_s
        if unix_s >= self._next_s or new or set_back:
            self._next_s = unix_s + self._sample_s
            self.day.frames += 1
            for label in self._shown(detections) & self.day.counts.keys():
                self.day.counts[label] += 1
        return ended

    def _shown(self, detections: tuple[Detection, ...]) -> set[str]:
        thresholds = self._thresholds()
        return {d.label for d in detections if d.score >= thresholds.get(d.label, math.inf)}


def wilson(count: int, total: int) -> tuple[float, float]:
    """`count` of `total` -> the 95 % interval of the share.

    `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)` (Wilson 1927, Probable inference, the law
    of succession, and statistical inference; Brown, Cai and DasGupta 2001 recommend it). It holds
    for samples that do not depend on each other: not for neighbouring frames of a video.
    """
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, Z * Z / total
    middle = share + square / 2
    half = Z * math.sqrt(share * (1 - share) / total + square / (4 * total))
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return (0.0 if count == 0 else low), (1.0 if count == total else high)
