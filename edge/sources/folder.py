"""A folder of pictures -> every one in order, on a virtual clock; or every new one as it comes."""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from edge.capture.header import is_complete
from edge.capture.jpeg import PictureError, decode
from edge.capture.wire import LARGEST
from edge.errors import FatalError, TransientError
from edge.folders import OTHER_PICTURES, READABLE, Listing, listed
from edge.text import shown
from edge.types import Frame, Image

log = logging.getLogger(__name__)

LOOK_S = 0.5
"""Between two looks for new pictures; where a look takes longer than that, as long as it takes."""
LARGEST_BYTES = 6 * LARGEST
"""Of a picture's file: 16 bits in three channels, not compressed."""


class Pictures:
    """A folder of pictures and its subfolders, in the order of their names, one a second."""

    live = False
    dropped = 0

    def __init__(self, folder: Path, fps: float = 0.0) -> None:
        """`fps` sets the virtual clock: 0 counts one picture a second.

        Raises FatalError where the folder is not there or holds no pictures.
        """
        self._place = _Place(folder)
        try:
            self._listing = self._place.listed()
        except TransientError as error:
            raise FatalError(str(error)) from None
        self._others = len(self._listing.of_other_kinds())
        if not self._listing.pictures and not self._others:
            endings = " ".join(sorted(READABLE))
            left_out = f"; {said}" if (said := self._listing.said(folder)) else ""
            raise FatalError(f"{self._place}: holds no pictures ({endings}){left_out}")
        self._step_s = 1.0 / fps if fps else 1.0
        self._stopped = False
        self.skipped = 0

    def __iter__(self) -> Iterator[Frame]:
        """Unreadable pictures are skipped, counted and named.

        Raises TransientError where the folder goes away, or none of its pictures is readable.
        """
        self._place.tell(self._listing)
        self.skipped = self._others
        for number, path in enumerate(self._listing.pictures):
            if self._stopped:
                return
            image = _read_picture(path)
            if image is None:
                self._place.check()
                self.skipped += 1
                continue
            at_s = number * self._step_s
            yield Frame(image, at_s, at_s, time.monotonic(), origin=self._place.name(path))
        if self.skipped == len(self._listing.pictures) + self._others:
            raise TransientError(f"{self._place}: none of its {self.skipped} pictures is readable")

    def stop(self) -> None:
        """From any thread: no further picture is read."""
        self._stopped = True


@dataclass(frozen=True, slots=True)
class _Version:
    """One content of a file, as far as its directory entry tells."""

    changed_ns: int
    size: int
    inode: int


class NewPictures:
    """`dir:FOLDER?watch`: every version of a picture that comes into a folder from now on."""

    live = True
    dropped = 0

    def __init__(self, folder: Path) -> None:
        self._place = _Place(folder)
        self._stopped = Event()
        self._taken: dict[Path, _Version] = {}
        self._trouble: TransientError | None = None
        self.skipped = 0
        try:
            self._taken = self._look()
        except TransientError as error:  # a share that is not mounted yet is no wrong configuration
            self._trouble = error

    def __iter__(self) -> Iterator[Frame]:
        """Oldest first. Raises TransientError where the folder is not there, or goes away."""
        if self._trouble is not None:
            raise self._trouble
        before: dict[Path, _Version] = {}
        pause_s = LOOK_S
        while not self._stopped.wait(pause_s):
            began_s = time.monotonic()
            now = self._look()
            pause_s = max(LOOK_S, time.monotonic() - began_s)
            self._taken = {path: self._taken[path] for path in now if path in self._taken}
            fresh = [path for path in now if now[path] != self._taken.get(path)]
            for path in sorted(fresh, key=lambda path: (now[path].changed_ns, path)):
                image = self._take(path, now[path], before.get(path))
                if image is not None:
                    now_s = time.monotonic()
                    origin = self._place.name(path)
                    yield Frame(image, now_s, time.time(), now_s, origin=origin)
                if self._stopped.is_set():
                    return
            before = now

    def _look(self) -> dict[Path, _Version]:
        """The pictures that are there; those of a kind that cannot be read are counted later."""
        listing = self._place.listed(count_hidden=False)
        there: dict[Path, _Version] = {}
        for path in listing.pictures + listing.of_other_kinds():
            try:
                there[path] = _version(path.stat())
            except OSError:  # gone meanwhile
                continue
        return there

    def _take(self, path: Path, now: _Version, before: _Version | None) -> Image | None:
        """The picture once it is whole: its end has come, or nothing since the look before."""
        try:
            with path.open("rb") as file:
                version = _version(os.fstat(file.fileno()))
                data = file.read(LARGEST_BYTES + 1)
                if version != _version(os.fstat(file.fileno())):
                    return None
        except PermissionError as error:
            if now == before:  # some uploads are opened to others when they are whole
                self._taken[path] = now
                self.skipped += 1
                log.warning("%s: skipped: cannot be read: %s", shown(str(path)), error.strerror)
            return None
        except OSError:  # gone meanwhile, or the share answers no more
            return None
        if version == self._taken.get(path) or not (is_complete(data) or version == before):
            return None
        self._taken[path] = version
        if not data:
            return None
        image = _decoded(path, data)
        self.skipped += image is None
        return image

    def stop(self) -> None:
        """From any thread: no further picture is read."""
        self._stopped.set()


class _Place:
    """A folder that may lie on a stick or a share, and go away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._device: int | None = None

    def __str__(self) -> str:
        return f"dir:{shown(str(self._folder))}"

    def check(self) -> None:
        """Raises TransientError where the folder is not there, or another one is in its place:
        where a share was mounted, an empty folder is left."""
        try:
            if not self._folder.is_dir():
                raise TransientError(f"{self}: there is no such folder; is it mounted?")
            device = self._folder.stat().st_dev
        except OSError as error:
            raise TransientError(f"{self}: cannot be read: {error.strerror}") from None
        if self._device not in (None, device):
            raise TransientError(f"{self}: another disk is there now")
        self._device = device

    def listed(self, *, count_hidden: bool = True) -> Listing:
        """What it holds now. Raises TransientError."""
        self.check()
        try:
            return listed(self._folder, count_hidden=count_hidden)
        except OSError as error:
            raise TransientError(f"{self}: cannot be read: {error.strerror}") from None

    def tell(self, listing: Listing) -> None:
        """Log what is left out: a warning where there are pictures among it."""
        if said := listing.said(self._folder):
            endings = {path.suffix.lower() for paths in listing.left_out.values() for path in paths}
            lost = endings & (READABLE | OTHER_PICTURES)
            log.log(logging.WARNING if lost else logging.INFO, "%s: %s", self, said)

    def name(self, path: Path) -> str:
        """A picture's name as messages carry it: bytes that are not UTF-8 are said with `?`."""
        return shown(str(path.relative_to(self._folder)), 4096)


def pictures(rest: str, fps: float) -> Pictures | NewPictures:
    """What follows `dir:` -> the source. Raises FatalError where a recording is not there; a folder
    that is watched may be there later."""
    folder, watch, nothing = rest.rpartition("?watch")
    if watch and not nothing:
        return NewPictures(Path(folder))
    return Pictures(Path(rest), fps)


def _version(status: os.stat_result) -> _Version:
    return _Version(status.st_mtime_ns, status.st_size, status.st_ino)


def _read_picture(path: Path) -> Image | None:
    """None, and a line in the log, for what cannot be read."""
    try:
        with path.open("rb") as file:
            return _decoded(path, file.read(LARGEST_BYTES + 1))
    except OSError as error:
        log.warning("%s: skipped: cannot be read: %s", shown(str(path)), error.strerror)
        return None


def _decoded(path: Path, data: bytes) -> Image | None:
    """Upright (EXIF) B,G,R pixels; None, and a line in the log, for what is no picture."""
    if len(data) > LARGEST_BYTES:
        log.warning("%s: skipped: over %d bytes", shown(str(path)), LARGEST_BYTES)
        return None
    try:
        return decode(data)
    except PictureError as error:
        why = error.after(f"not a readable picture ({len(data)} bytes)")
        log.warning("%s: skipped: %s", shown(str(path)), why)
        return None
