"""A share of the frame rate -> how long to wait before the next frame. Pure."""

LEARN = 10
"""Frames that tell how fast they come by themselves."""
MEMORY = 0.8
"""Share of the past in the smoothed period."""
LONGEST_S = 10.0


class Pace:
    """One source's: it learns the frame rate while that is full, and keeps a share of it later."""

    def __init__(self) -> None:
        self.share = 1.0
        """Of the frame rate; may be set from another thread."""
        self._period_s = 0.0
        self._learned = 0
        self._asked_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Seconds to wait, at most 10. Call it each time before a frame is asked for."""
        since_s = 0.0 if self._asked_s is None else now_s - self._asked_s
        wait_s = 0.0
        if self.share < 1.0 and self._learned >= LEARN:
            wait_s = min(LONGEST_S, max(0.0, self._period_s / self.share - since_s))
        elif self._asked_s is not None:
            self._learn(since_s)
        self._asked_s = now_s + wait_s
        return wait_s

    def _learn(self, period_s: float) -> None:
        self._learned += 1
        weight = 1.0 / self._learned if self._learned < LEARN else 1.0 - MEMORY
        self._period_s += weight * (period_s - self._period_s)
