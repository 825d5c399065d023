"""Frames a second -> which frames are taken."""

import math


class Due:
    """Which frames are taken: of each step of the clock the first, and so every one of a video
    that has no more than one a step."""

    def __init__(self, step_s: float, rate: float) -> None:
        """`step_s` 0 takes all; `rate` is the video's, frames a second."""
        self.step_s = step_s
        # The frame nearest to the step; times are rounded to milliseconds in some files.
        self._early_s = min(step_s / 4, max(0.5 / rate, 0.002))
        self._next = 0

    def step(self, at_s: float) -> int:
        """Which step of the clock a frame of that moment belongs to."""
        return math.floor((at_s + self._early_s) / self.step_s + 1e-9)

    def takes(self, at_s: float) -> bool:
        """Whether the frame of that moment is the first of its step; moments never go back."""
        if not self.step_s:
            return True
        step = self.step(at_s)
        if step < self._next:
            return False
        self._next = step + 1
        return True
