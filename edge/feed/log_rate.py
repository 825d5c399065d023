"""Lines that others can cause -> a log that they cannot flood."""

import logging
import time
from collections.abc import Callable
from threading import Lock


class LogRate:
    """At most `lines` lines in `per_s` seconds; the rest are counted, and the count is logged."""

    def __init__(
        self,
        log: logging.Logger,
        lines: int = 20,
        per_s: float = 10.0,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._lines = lines
        self._per_s = per_s
        self._mono = mono
        self._lock = Lock()
        self._since_s = mono()
        self._told = 0
        self._left_out = 0

    def info(self, text: str, *values: object) -> None:
        """A line of what goes as it should."""
        self._say(logging.INFO, text, *values)

    def warning(self, text: str, *values: object) -> None:
        """A line of what does not."""
        self._say(logging.WARNING, text, *values)

    def flush(self) -> None:
        """Log the count once its time is over. Cheap enough to call often."""
        if self._left_out and self._mono() - self._since_s >= self._per_s:
            with self._lock:
                self._turn()

    def _say(self, level: int, text: str, *values: object) -> None:
        with self._lock:
            if self._mono() - self._since_s >= self._per_s:
                self._turn()
            self._told += 1
            if self._told > self._lines:
                self._left_out += 1
                return
        self._log.log(level, text, *values)

    def _turn(self) -> None:
        left_out, self._left_out, self._told = self._left_out, 0, 0
        self._since_s = self._mono()
        if left_out:
            self._log.warning("%d more lines like these were not logged", left_out)
