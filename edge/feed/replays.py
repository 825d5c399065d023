"""What is asked for again -> ranges that wait, merged: nothing is sent twice for two who asked."""

from edge.errors import TransientError

MOST = 100
"""Ranges that wait, at most."""

Range = tuple[int, int]
"""(after, last): after < seq <= last."""


class Replays:
    """Ranges of seq to be sent again, in order. Used by one thread at a time."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Range]] = {}
        """By who alone gets them ("": everybody): sorted, and apart from each other."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def reader(self) -> str:
        """Who gets the range to be sent next; empty: everybody."""
        return next(iter(self._waiting))

    @property
    def first(self) -> Range:
        """The range to be sent next."""
        return self._waiting[self.reader][0]

    @property
    def ranges(self) -> tuple[Range, ...]:
        """All that wait."""
        return tuple(one for ranges in self._waiting.values() for one in ranges)

    def add(self, after: int, last: int, must: bool = False, reader: str = "") -> None:
        """Take a range; what of it waits already is not sent twice for it.

        Raises TransientError where too many wait, unless it `must` be taken.
        """
        known = self._waiting.get(reader, [])
        apart = [one for one in known if one[1] < after or one[0] > last]
        if len(self.ranges) - len(known) + len(apart) >= MOST and not must:
            raise TransientError(
                f"{MOST} other replays wait: send it again later, or command/cancel first"
            )
        touching = [one for one in known if one[1] >= after and one[0] <= last]
        low = min([after, *(one[0] for one in touching)])
        high = max([last, *(one[1] for one in touching)])
        self._waiting[reader] = sorted([*apart, (low, high)])

    def sent(self, seq: int) -> None:
        """Everything of the first range up to that seq is sent."""
        ranges = self._waiting[self.reader]
        after, last = ranges[0]
        if seq < last:
            ranges[0] = (max(after, seq), last)
            return
        ranges.pop(0)
        if not ranges:
            del self._waiting[self.reader]

    def clear(self) -> None:
        """Call all of them off."""
        self._waiting.clear()
