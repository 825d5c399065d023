"""A source as a test sees it: read in a thread, with what it gave and how it ended."""

import threading
import time
from collections.abc import Callable
from typing import Any

from edge import config
from edge.errors import HedgerowError
from edge.sources import Source, open_source
from edge.sources.devices import Known
from edge.types import Frame

PATIENCE_S = 30.0
"""How long a loaded machine may take to what must happen."""


def source(uri: str, known: Known | None = None, **settings: Any) -> Source:
    """As edge.toml would open it."""
    section = {"uri": uri, **settings}
    return open_source(config.load(None, {"source": {"x": section}}).source["x"], known)


class Watched:
    """`with Watched(source) as seen:` collects frames until the source ends or the test does."""

    def __init__(self, watched: Source) -> None:
        self.frames: list[Frame] = []
        self.error: HedgerowError | None = None
        self._source = watched
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        try:
            for frame in self._source:
                self.frames.append(frame)
        except HedgerowError as error:
            self.error = error

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._source.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "stop ends the iteration"

    def wait_for_frames(self, count: int) -> list[Frame]:
        """The next so many."""
        before = len(self.frames)
        until(lambda: len(self.frames) >= before + count or not self._thread.is_alive())
        assert self.error is None, self.error
        return self.frames[before:]

    def wait_for_error(self) -> str:
        """What it says when it gives up."""
        until(lambda: not self._thread.is_alive())
        assert self.error is not None, "it ended without an error"
        return str(self.error)


def until(happened: Callable[[], bool]) -> None:
    """Fails where it does not happen for PATIENCE_S."""
    end_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.01)
