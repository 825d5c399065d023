"""Recordings -> every frame in order, on a virtual clock that starts at 0."""

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.capture.wire import Picture
from edge.errors import FatalError, TransientError
from edge.types import Frame, Image

log = logging.getLogger(__name__)

PICTURE_ENDINGS = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
SHORTER_S = 1.0
SHORTER_SHARE = 0.02
"""A video may end this much before its header says: headers round, and some are one frame off."""


class Pictures:
    """A folder of pictures and its subfolders, in the order of their names, one a second."""

    live = False

    def __init__(self, folder: Path, fps: float = 0.0) -> None:
        """`fps` sets the virtual clock: 0 counts one picture a second."""
        if not folder.is_dir():
            raise FatalError(f"dir:{folder}: there is no such folder")
        self._paths = sorted(
            path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_ENDINGS
        )
        if not self._paths:
            raise FatalError(
                f"dir:{folder}: holds no pictures ({' '.join(sorted(PICTURE_ENDINGS))})"
            )
        self._folder = folder
        self._step_s = 1.0 / fps if fps else 1.0
        self._stopped = False
        self.skipped = 0
        self.dropped = 0

    def __iter__(self) -> Iterator[Frame]:
        """Unreadable pictures are skipped, counted and named; none readable: TransientError."""
        for number, path in enumerate(self._paths):
            if self._stopped:
                return
            image = _read_picture(path)
            if image is None:
                self.skipped += 1
                continue
            at_s = number * self._step_s
            origin = str(path.relative_to(self._folder))
            yield Frame(image, at_s, at_s, time.monotonic(), origin=origin)
        if self.skipped == len(self._paths):
            raise TransientError(
                f"dir:{self._folder}: none of its {self.skipped} pictures is readable"
            )

    def stop(self) -> None:
        """From any thread: no further picture is read."""
        self._stopped = True


def _read_picture(path: Path) -> Image | None:
    """Upright (EXIF) B,G,R pixels; None, and a line in the log, for what is no picture."""
    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        image = None
    if image is None:
        size = path.stat().st_size if path.exists() else 0
        log.warning("%s: skipped: not a readable picture (%d bytes)", path, size)
        return None
    return np.asarray(image, np.uint8)


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
