"""The delegates of one setup: which are refused and why, and which is to be tried next."""

import logging
import time
from collections.abc import Callable
from itertools import takewhile
from threading import Event

from edge.errors import FatalError
from edge.runtime.crashes import Crashes
from edge.runtime.delegates import parse
from edge.runtime.opener import Opener
from edge.runtime.schedule import Schedule
from edge.runtime.setup import Refusal, Setup

log = logging.getLogger(__name__)


class Roster:
    """Lives until another setup comes."""

    def __init__(self, setup: Setup, crashes: Crashes, ending: Callable[[], bool]) -> None:
        """All delegates are due; `ending` is asked while one is waited for."""
        self._order = setup.delegates
        self._schedule = Schedule(setup.delegates, setup.limits.retry_s)
        self._refused: dict[str, str] = {}
        self._waits_s: dict[str, float] = {}
        self._changed = Event()
        self.opener = Opener(setup, crashes, ending)
        self._used = ""
        self.closed = False
        self.settled = Event()
        """Set when nothing is due."""

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """Those that are not used, each with the latest reason."""
        return tuple(Refusal(name, self._told(name)) for name in tuple(self._refused))

    @property
    def reasons(self) -> str:
        """Why none is used, in one line."""
        return "; ".join(f"{name}: {reason}" for name, reason in dict(self._refused).items())

    def _told(self, name: str) -> str:
        reason, wait_s = self._refused.get(name, ""), self._waits_s.get(name)
        return reason if wait_s is None else f"{reason}; trying again in {wait_s:g} s"

    def prefers(self, name: str) -> bool:
        """Whether it comes before the one that is used."""
        return name in takewhile(lambda other: other != self._used, self._order)

    def due(self) -> str | None:
        """Waits for the next one that comes before the one that is used; None: ask again."""
        name, wait_s = self._schedule.next(filter(self.prefers, self._order), time.monotonic())
        if name is None:
            self.settled.set()
            self._changed.wait(wait_s)
            self._changed.clear()
        elif name not in self._refused:
            self._refused[name] = f"is being opened; {self._used} answers meanwhile"
        return name

    def use(self, name: str) -> None:
        """It is right."""
        self._used = name
        self._refused.pop(name, None)
        if self._schedule.has_failed(name):
            log.warning("delegate %s is used again", name)
        self._changed.set()

    def refuse(self, name: str, reason: str) -> None:
        """It is tried again later, unless nothing can come of that."""
        try:
            parse(name)
        except FatalError:
            self._schedule.never(name)
        else:
            self._waits_s[name] = self._schedule.failed(name, time.monotonic())
        self._refused[name] = reason
        log.warning("delegate %s refused: %s", name, self._told(name))

    def forgive(self, name: str) -> None:
        """It has worked for long: its next failure is a first one."""
        self._schedule.forgive(name)
        self.opener.forgive(name)

    def close(self) -> None:
        """What is being opened is killed."""
        self.closed = True
        self.opener.stop()
        self._changed.set()
        self.settled.set()
