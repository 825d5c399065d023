"""The one thread that writes a daemon's snapshots and clips, and keeps their folder small."""

import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Thread

from edge.record.film import Shot, film
from edge.record.kept import PART, Kept
from edge.scene import RecordConfig
from edge.seldom import Seldom
from edge.text import shown

log = logging.getLogger(__name__)

WAITING = 16
"""Files that may wait for a slow disk; more are dropped and counted."""
FLUSH_S = 10.0
TIDY_S = 3600.0
"""While nothing is written, old files are looked for this often."""

Content = bytes | Sequence[Shot]


class Recorder:
    """One daemon's files. Raises nothing: what cannot be written is logged and counted."""

    def __init__(
        self, config: RecordConfig, folder: Path, mono: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._folder = folder
        self._mono = mono
        self._kept: Kept | None = None
        self._queue: Queue[tuple[Path, Content] | None] = Queue(WAITING)
        self._thread = Thread(target=self._write_all, name="record", daemon=True)
        self._full = False
        self._seldom = Seldom()
        self.dropped = 0

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Full):  # a disk that hangs must not hold up the end
            self._queue.put(None, timeout=FLUSH_S)
            self._thread.join(FLUSH_S)

    def put(self, path: str, content: Content) -> None:
        """One more file, by its path in the folder; dropped where too many wait."""
        try:
            self._queue.put_nowait((self._folder / path, content))
        except Full:
            self.dropped += 1
            self._say("record.folder: the disk is too slow: a file is dropped")

    def _write_all(self) -> None:
        self._safely(self._tidy, self._folder)
        going = True
        while going:
            try:
                item = self._queue.get(timeout=TIDY_S)
            except Empty:
                self._safely(self._tidy, self._folder)
                continue
            going = item is not None
            if item is not None:
                path, content = item
                self._safely(lambda: self._write(path, content), path)  # noqa: B023  called in here
            self._safely(self._tidy, self._folder)

    def _safely(self, work: Callable[[], None], path: Path) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  a thread that dies would record nothing more
            self.dropped += path != self._folder
            self._say(f"{shown(str(path))}: cannot be written: {_reason(error)}")

    def _say(self, line: str) -> None:
        """At once, then seldom with a count: a disk that fails does so with each event."""
        said = self._seldom.say(line, time.monotonic())
        if said is not None:
            log.warning("%s", said)

    def _tidy(self) -> None:
        kept = self._index()
        kept.clean(self._config.keep_days * 86400, self._config.keep_mb * 1e6)
        kept.mark()

    def _index(self) -> Kept:
        """Read once the folder can be read: a disk may be mounted later."""
        if self._kept is None:
            self._kept = Kept(self._folder, self._mono)
        return self._kept

    def _write(self, path: Path, content: Content) -> None:
        """Under another name first: a power cut leaves no half file under the right one."""
        if not self._room():
            return
        kept = self._index()
        path.parent.mkdir(parents=True, exist_ok=True)
        path = _free(path)
        part = path.with_name(f"{PART}{path.name}")
        try:
            if isinstance(content, bytes):
                part.write_bytes(content)
            else:
                film(part, content)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            kept.add(path, part.stat().st_size)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)

    def _room(self) -> bool:
        """Whether the disk keeps what it must keep free."""
        self._folder.mkdir(parents=True, exist_ok=True)
        enough = shutil.disk_usage(self._folder).free >= self._config.free_mb * 1e6
        if not enough:
            self.dropped += 1
            if not self._full:
                log.warning(
                    "%s: less than record.free_mb = %g left: nothing more is recorded",
                    self._folder, self._config.free_mb,
                )  # fmt: skip
        self._full = not enough
        return enough


def _reason(error: Exception) -> str:
    """In words, without the path that the line begins with."""
    if isinstance(error, OSError) and error.strerror:
        return shown(error.strerror)
    return shown(str(error))


def _free(path: Path) -> Path:
    """The path, or one with a number behind it: no file that is there is written over."""
    stem, number = path.stem, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = path.with_name(f"{stem}-{number}{path.suffix}")
    return path
