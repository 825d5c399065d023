"""Videos -> every frame in order, on a virtual clock that starts at 0."""

import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from edge.capture.wire import Picture
from edge.errors import FatalError, TransientError
from edge.types import Frame

SHORTER_S = 1.0
SHORTER_SHARE = 0.02
"""A video may end this much before its header says: headers round, and some are one frame off."""


class Video:
    """A video file, every frame in order; with `fps`, about that many of each second."""

    live = False

    def __init__(self, path: Path, fps: float = 0.0, width: int = 0) -> None:
        """Frames are at most `width` pixels wide; 0: as they are."""
        if not path.is_file():
            raise FatalError(f"file:{path}: there is no such file")
        self._path = path
        self._width = width
        self._step_s = 1.0 / fps if fps else 0.0
        self._stopped = False
        self.skipped = 0
        self.dropped = 0

    def __iter__(self) -> Iterator[Frame]:
        """Raises TransientError at the end of a video that ends before its header says."""
        from edge.capture.stream import Recording

        recording = Recording(self._path, self._width, self._step_s)
        try:
            reached_s = yield from self._frames(recording)
        finally:
            recording.close()
        length_s = recording.length_s
        if not self._stopped and length_s - reached_s > max(SHORTER_S, SHORTER_SHARE * length_s):
            raise TransientError(
                f"file:{self._path}: ends after {reached_s:.1f} s of {length_s:.1f} s: "
                "damaged or cut off"
            )

    def _frames(self, recording: Iterable[tuple[float, Picture]]) -> Generator[Frame, None, float]:
        """Frames with their time; returns where the video ended, seconds."""
        due_s = reached_s = 0.0
        for at_s, picture in recording:
            if self._stopped:
                break
            reached_s = max(at_s, reached_s)
            if reached_s + 1e-6 < due_s:
                continue
            due_s = due_s + self._step_s if due_s + self._step_s > reached_s else reached_s
            pixels, _ = picture()
            yield Frame(pixels, reached_s, reached_s, time.monotonic(), origin=self._path.name)
        return reached_s

    def stop(self) -> None:
        """From any thread: no further frame is read."""
        self._stopped = True
