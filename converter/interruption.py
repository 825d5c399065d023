"""SIGINT, SIGTERM or SIGHUP -> what this process made is undone, then it ends.

No exception is raised for them: libraries swallow one that comes at the wrong moment, and an
import that it breaks off ends in a wrong message.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STATUS = 128
"""An exit status above this one says which signal it was, as in a shell."""

Action = Callable[[], None]
"""Done once or twice, it has the same effect, and takes no lock."""


class _Pending:
    """What is to be undone, and what waits."""

    actions: dict[object, Action] = {}  # noqa: RUF012 - of the whole process
    deferring = 0
    number = 0
    """The signal that came while deferring."""


def remember(made: object, undo: Action) -> None:
    """If a signal ends the process, this is undone; what was made last comes first."""
    _Pending.actions[made] = undo


def forget(made: object) -> None:
    """There is nothing to undo any more."""
    _Pending.actions.pop(made, None)


@contextmanager
def deferred() -> Iterator[None]:
    """A signal that comes meanwhile ends the process afterwards. For the main thread."""
    _Pending.deferring += 1
    try:
        yield
    finally:
        _Pending.deferring -= 1
        if _Pending.number and not _Pending.deferring:
            _leave(_Pending.number)


def handle() -> None:
    """From now on; a signal that is ignored (nohup) stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _arrived)


def _arrived(number: int, _frame: FrameType | None) -> None:
    if _Pending.deferring:
        _Pending.number = number
    else:
        _leave(number)


def _leave(number: int) -> None:
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    for undo in reversed(_Pending.actions.values()):
        with suppress(Exception):
            undo()
    with suppress(OSError):  # the terminal may be gone
        os.write(2, b"converter: interrupted\n")
    os._exit(STATUS + number)
