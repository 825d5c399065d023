"""When which delegate is tried, and tried again; time comes in."""

from collections.abc import Iterable

LONGEST_RETRY_S = 3600.0


class Schedule:
    """Each failure doubles the wait, up to an hour."""

    def __init__(self, delegates: Iterable[str], retry_s: float) -> None:
        """All are due at once."""
        self._retry_s = retry_s
        self._due_s = dict.fromkeys(delegates, 0.0)
        self._waits_s: dict[str, float] = {}

    def failed(self, delegate: str, now_s: float) -> float:
        """It is tried again after the seconds returned."""
        wait_s = self._waits_s.get(delegate, self._retry_s)
        self._waits_s[delegate] = min(2 * wait_s, LONGEST_RETRY_S)
        self._due_s[delegate] = now_s + wait_s
        return wait_s

    def has_failed(self, delegate: str) -> bool:
        """Since it was forgiven."""
        return delegate in self._waits_s

    def never(self, delegate: str) -> None:
        """No other try can help."""
        self._due_s.pop(delegate, None)

    def forgive(self, delegate: str) -> None:
        """Its next failure is a first one."""
        self._waits_s.pop(delegate, None)

    def next(self, wanted: Iterable[str], now_s: float) -> tuple[str | None, float | None]:
        """The first of those wanted that is due; else None, and for how long none is (None: for
        good)."""
        due_s = {name: self._due_s[name] for name in wanted if name in self._due_s}
        for name, when_s in due_s.items():
            if when_s <= now_s:
                return name, 0.0
        return None, min(due_s.values()) - now_s if due_s else None
