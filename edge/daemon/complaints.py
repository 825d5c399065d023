"""What fails again and again -> a line at once, then a count now and then."""

import logging
import time
from collections.abc import Callable

from edge.seldom import KINDS, QUIET_S

log = logging.getLogger(__name__)

AGAIN_S = QUIET_S
"""How often a failure that goes on is said again, with how often it came."""


class Complaints:
    """One part's failures. Each reason is logged when it is new, up to a number of them."""

    def __init__(self, who: str, now: Callable[[], float] = time.monotonic) -> None:
        """`who` begins every line; `now` is a clock that only goes on."""
        self._who = who
        self._now = now
        self._told: set[str] = set()
        self._count = 0
        self._again_s = 0.0
        self._well = True

    def fails(self, reason: str, then: str = "trying again every few seconds") -> None:
        """Once more."""
        now_s = self._now()
        self._count += 1
        if not self._told:
            self._again_s = now_s + AGAIN_S
        if reason not in self._told and len(self._told) < KINDS:
            self._told.add(reason)
            log.warning("%s: %s; %s", self._who, reason, then)
        elif now_s >= self._again_s:
            log.warning("%s: failed %d times, lately: %s", self._who, self._count, reason)
            self._again_s = now_s + AGAIN_S

    def works(self, how: str) -> None:
        """It works after a failure; said once until `settled`."""
        if self._told and self._well:
            log.info("%s: %s", self._who, how)
            self._well = False

    def settled(self) -> None:
        """It has worked for long: the next failure is a new one."""
        self._told.clear()
        self._count, self._well = 0, True
