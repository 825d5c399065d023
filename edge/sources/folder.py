"""A folder of pictures -> every one in order, on a virtual clock; or every new one as it comes."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from edge.capture.jpeg import decoded
from edge.errors import FatalError, TransientError
from edge.types import Frame, Image

log = logging.getLogger(__name__)

PICTURE_ENDINGS = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
LOOK_S = 0.5
"""Between two looks for new pictures; one that has not grown since the last look is complete."""


class Pictures:
    """A folder of pictures and its subfolders, in the order of their names, one a second."""

    live = False

    def __init__(self, folder: Path, fps: float = 0.0) -> None:
        """`fps` sets the virtual clock: 0 counts one picture a second."""
        self._paths = _pictures(folder)
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


class NewPictures:
    """`dir:FOLDER?watch`: pictures that come into a folder from now on, each once, oldest first."""

    live = True
    dropped = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken = set(_pictures(folder))
        self._stopped = Event()
        self.skipped = 0

    def __iter__(self) -> Iterator[Frame]:
        """Raises TransientError where the folder goes away."""
        sizes: dict[Path, int] = {}
        while not self._stopped.wait(LOOK_S):
            found = {path: _size(path) for path in self._look()}
            whole = [path for path, size in found.items() if size and sizes.get(path) == size]
            sizes = found
            self._taken &= found.keys()
            for path in sorted(set(whole) - self._taken, key=_age):
                self._taken.add(path)
                image = _read_picture(path)
                if image is None:
                    self.skipped += 1
                    continue
                now_s = time.monotonic()
                origin = str(path.relative_to(self._folder))
                yield Frame(image, now_s, time.time(), now_s, origin=origin)
                if self._stopped.is_set():
                    return

    def _look(self) -> list[Path]:
        try:
            return _pictures(self._folder)
        except FatalError as error:  # a stick that is plugged in again, a share that comes back
            raise TransientError(str(error)) from None

    def stop(self) -> None:
        """From any thread: no further picture is read."""
        self._stopped.set()


def pictures(rest: str, fps: float) -> Pictures | NewPictures:
    """What follows `dir:` -> the source. Raises FatalError where there is no such folder."""
    folder, watch, nothing = rest.rpartition("?watch")
    if watch and not nothing:
        return NewPictures(Path(folder))
    return Pictures(Path(rest), fps)


def _pictures(folder: Path) -> list[Path]:
    """In the order of their names, those of its folders too."""
    if not folder.is_dir():
        raise FatalError(f"dir:{folder}: there is no such folder")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_ENDINGS)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _age(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except OSError:
        return 0.0, path.name


def _read_picture(path: Path) -> Image | None:
    """Upright (EXIF) B,G,R pixels; None, and a line in the log, for what is no picture."""
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    image = decoded(data)
    if image is None:
        log.warning("%s: skipped: not a readable picture (%d bytes)", path, len(data))
    return image
