"""Schedules and the clock -> sources that sleep and wake."""

import logging
import time
from collections.abc import Callable

from edge.daemon.worker import Worker
from edge.feed.clock import clock_set
from edge.feed.payloads import iso
from edge.schedule import Schedule

log = logging.getLogger(__name__)

STEP_S = 1.0
"""How often the clock is looked at: it may jump at any time."""


class Rota:
    """Opens and closes workers by their schedules. `step` costs nothing most of the time."""

    def __init__(
        self,
        duties: list[tuple[Worker, Schedule]],
        now: Callable[[], float] = time.time,
        is_set: Callable[[float], bool] = clock_set,
    ) -> None:
        """`now` gives seconds since 1970, `is_set` whether these can be right."""
        self._duties = duties
        self._now = now
        self._is_set = is_set
        self._due_s = 0.0
        self._awake: dict[str, bool] = {}

    def follow(self, duties: list[tuple[Worker, Schedule]]) -> None:
        """Look after these from now on; what was said of a worker that stays is not said again."""
        self._duties = duties
        self._due_s = 0.0
        self._awake = {w.name: self._awake[w.name] for w, _ in duties if w.name in self._awake}

    def step(self) -> None:
        """Look at the clock, once a second."""
        if not self._duties or time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + STEP_S
        unix_s = self._now()
        is_set = self._is_set(unix_s)
        for worker, schedule in self._duties:
            awake = schedule.active(unix_s, is_set)
            next_s = None if awake or not is_set else schedule.next_change(unix_s)
            if awake:
                worker.wake()
            else:
                worker.sleep(None if next_s is None else iso(next_s))
            if self._awake.get(worker.name) != awake:
                until = worker.stats.asleep_until or "its time"
                told = "awake" if awake else f"asleep until {until}"
                log.info("source %s: %s", worker.name, told)
            self._awake[worker.name] = awake
