"""Videos -> every frame in order, on a virtual clock that starts at 0."""

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import FatalError, TransientError
from edge.text import shown
from edge.types import Frame

if TYPE_CHECKING:
    from edge.capture.recording import Recording

SHORTER_S = 1.0
SHORTER_SHARE = 0.02
"""A video may end this much before its header says: headers round, and some are one frame off."""


class Video:
    """A video file, every frame in order; with `fps`, at most that many of each second, evenly."""

    live = False

    def __init__(self, path: Path, fps: float = 0.0, width: int = 0) -> None:
        """Frames are at most `width` pixels wide; 0: as they are. Raises FatalError where there is
        no such file, or none that may be read."""
        self._name = f"file:{shown(str(path))}"
        try:
            there = path.is_file()
        except OSError as error:
            raise FatalError(f"{self._name}: cannot be read: {error.strerror}") from None
        if not there:
            raise FatalError(f"{self._name}: there is no such file")
        self._path = path
        self._width = width
        self._step_s = 1.0 / fps if fps else 0.0
        self._stopped = False
        self.skipped = 0
        self.dropped = 0

    def __iter__(self) -> Iterator[Frame]:
        """Raises TransientError at the end of a video that ends before its header says."""
        from edge.capture.recording import Recording

        recording = Recording(self._path, self._width, self._step_s)
        try:
            reached_s = yield from self._frames(recording)
        finally:
            recording.close()
        if reached_s is None and not self._stopped:
            raise TransientError(f"{self._name}: none of its frames can be decoded")
        length_s = 0.0 if recording.broken else recording.length_s
        reached_s = reached_s or 0.0
        if not self._stopped and length_s - reached_s > max(SHORTER_S, SHORTER_SHARE * length_s):
            raise TransientError(
                f"{self._name}: ends after {reached_s:.1f} s of {length_s:.1f} s: "
                "damaged or cut off"
            )

    def _frames(self, recording: "Recording") -> Generator[Frame, None, float | None]:
        """Frames with their time; returns where the video ended, seconds; None if it has none."""
        reached_s: float | None = None
        name = shown(self._path.name)
        for reached_s, picture in recording:
            if self._stopped:
                break
            self.skipped = recording.skipped
            if recording.due.takes(reached_s):
                yield Frame(picture()[0], reached_s, reached_s, time.monotonic(), origin=name)
        return reached_s

    def stop(self) -> None:
        """From any thread: no further frame is read."""
        self._stopped = True
