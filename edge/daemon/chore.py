"""One of the daemon's duties: what it raises by mistake is said, and the others go on."""

import logging
import threading
from collections.abc import Callable

from edge.daemon.complaints import Complaints
from edge.errors import HedgerowError
from edge.text import shown

log = logging.getLogger(__name__)


class Chore:
    """`step` never raises by mistake; a HedgerowError, raised on purpose, goes through."""

    def __init__(self, name: str, do: Callable[[], object]) -> None:
        self._do = do
        self._complaints = Complaints(name)

    def step(self) -> bool:
        """Do it once; whether it found anything to do."""
        try:
            return bool(self._do())
        except (HedgerowError, BrokenPipeError):
            raise
        except Exception as error:
            log.debug("a duty failed", exc_info=error)
            self._complaints.fails(unexpected(error), "please report it; everything else goes on")
            return False


def say_deaths() -> None:
    """From now on a thread that ends by a mistake says so in one line."""

    def say(died: threading.ExceptHookArgs) -> None:
        name = died.thread.name if died.thread else "?"
        if died.exc_value is not None:
            log.debug("thread %s", name, exc_info=died.exc_value)
        log.error("thread %s ended: %s", name, unexpected(died.exc_value))

    threading.excepthook = say


def unexpected(error: BaseException | None) -> str:
    """What was not raised on purpose, in one line."""
    return shown(f"unexpected {type(error).__name__}: {error}")
