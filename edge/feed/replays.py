"""What is asked for again -> ranges that wait, merged: nothing is sent twice for two who asked."""

from edge.errors import TransientError

MOST = 100
"""Ranges that wait, at most."""


class Replays:
    """Ranges of seq to be sent again, in order. Used by one thread at a time."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        """(after, last): after < seq <= last; sorted, and apart from each other."""

    def __bool__(self) -> bool:
        return bool(self._ranges)

    @property
    def first(self) -> tuple[int, int]:
        """The range to be sent next, as (after, last)."""
        return self._ranges[0]

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """All that wait."""
        return tuple(self._ranges)

    def add(self, after: int, last: int, must: bool = False) -> None:
        """Take a range; what of it waits already is not sent twice for it.

        Raises TransientError where too many wait, unless it `must` be taken.
        """
        apart = [one for one in self._ranges if one[1] < after or one[0] > last]
        if len(apart) >= MOST and not must:
            raise TransientError(
                f"{MOST} other replays wait: send it again later, or command/cancel first"
            )
        touching = [one for one in self._ranges if one[1] >= after and one[0] <= last]
        low = min([after, *(one[0] for one in touching)])
        high = max([last, *(one[1] for one in touching)])
        self._ranges = sorted([*apart, (low, high)])

    def sent(self, seq: int) -> None:
        """Everything of the first range up to that seq is sent."""
        after, last = self._ranges[0]
        if seq >= last:
            self._ranges.pop(0)
        else:
            self._ranges[0] = (max(after, seq), last)

    def clear(self) -> None:
        """Call all of them off."""
        self._ranges.clear()
