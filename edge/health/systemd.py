"""What the service manager is told: ready, status line, watchdog. The only module that imports
systemd_watchdog.

Without systemd nothing is said and nothing is imported.
"""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from systemd_watchdog.systemd_watchdog import WatchDog


class Systemd:
    """The notification socket of this process, if it has one."""

    def __init__(self) -> None:
        self._notify = _socket()
        self._fed_s = float("-inf")
        self._status = ""

    def ready(self) -> None:
        """The service is up."""
        if self._notify is not None:
            with suppress(OSError):
                self._notify.ready()

    def status(self, line: str) -> None:
        """What `systemctl status` shows; told only where it changed."""
        if self._notify is not None and line != self._status:
            self._status = line
            with suppress(OSError):
                self._notify.status(line)

    def feed(self, now_s: float) -> None:
        """All is well. May be called as often as you like, with time.monotonic().

        The library's own pacing counts on the wall clock: one that is set back would starve it.
        """
        if (
            self._notify is None
            or now_s - self._fed_s < self._notify.timeout_td.total_seconds() / 4
        ):
            return
        self._fed_s = now_s
        with suppress(OSError):
            self._notify.notify()

    def give_up(self, reason: str) -> None:
        """This process cannot go on: systemd ends it and starts another one."""
        if self._notify is not None:
            with suppress(OSError):
                self._notify.notify_error(reason)


def _socket() -> "WatchDog | None":
    if not os.environ.get("NOTIFY_SOCKET"):
        return None
    from systemd_watchdog.systemd_watchdog import WatchDog

    return WatchDog()
