"""Which files of a folder Hedgerow wrote, and how long ago by its own running time.

A folder may hold its owner's files too, so only files that stand in the index, under a name that
Hedgerow gives and with the size that it wrote, are ever deleted. Age is counted while the daemon
runs: a wall clock that jumps by a month deletes nothing.
"""

import json
import math
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.files import write_whole
from edge.text import read

INDEX = ".hedgerow-index"
"""One JSON object a line: a file that was written, one that is gone (bytes = -1), or the running
time alone."""
OURS = re.compile(r"[a-z0-9_-]+/\d{8}T\d{6}Z-\d+-\w*(-\d+)?\.(jpg|webm)")
PART = ".part-"
"""What a file is called before it is whole."""
SPARE_LINES = 1000
"""The index is written anew when it has so many lines more than it needs."""


@dataclass(frozen=True, slots=True)
class _File:
    bytes: int
    ran_s: float
    """The running time when it was written."""


class Kept:
    """The index of one folder. Raises OSError where the folder cannot be read or written."""

    def __init__(self, folder: Path, mono: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._mono = mono
        self._files: dict[str, _File] = {}
        self._before_s = 0.0
        self._lines = 0
        folder.mkdir(parents=True, exist_ok=True)
        index = folder / INDEX
        if index.exists():
            self._take_over(read(index))
        else:
            self._adopt()
        self._began_s = mono()
        for part in folder.glob(f"*/{PART}*"):
            if _is_ours(_name(folder, part).replace(PART, "")):
                part.unlink(missing_ok=True)
        with suppress(OSError):  # on a full disk the old index holds: deleting must go on
            self._write_anew()

    @property
    def ran_s(self) -> float:
        """How long the daemon has run, over all its starts."""
        return self._before_s + self._mono() - self._began_s

    def add(self, path: Path, size: int) -> None:
        """A file that is about to appear: on the disk before it, so that none is forgotten."""
        name = _name(self._folder, path)
        self._files[name] = _File(size, self.ran_s)
        self._append({"path": name, "bytes": size, "ran_s": round(self.ran_s, 1)}, sync=True)

    def clean(self, keep_s: float, keep_bytes: float) -> None:
        """Delete what is too old, then the oldest until the rest is small enough.

        Raises the first OSError of a file that cannot be deleted, after all others.
        """
        total = sum(file.bytes for file in self._files.values())
        stuck: OSError | None = None
        for name, file in list(self._files.items()):
            if self.ran_s - file.ran_s <= keep_s and total <= keep_bytes:
                break
            path = self._folder / name
            try:
                if _is_as_written(path, file):
                    path.unlink()
            except OSError as error:  # the others must go nevertheless
                stuck = stuck or error
                continue
            total -= file.bytes
            del self._files[name]
            self._append({"path": name, "bytes": -1})
        if stuck is not None:
            raise stuck

    def mark(self) -> None:
        """Note the running time, so that a restart goes on from here."""
        self._append({"ran_s": round(self.ran_s, 1)})

    def _take_over(self, text: str) -> None:
        """What the index says; a line that a power cut damaged is left out."""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                size, ran_s = int(entry.get("bytes", -1)), float(entry.get("ran_s", 0))
                name = str(entry.get("path", ""))
            except (ValueError, TypeError, AttributeError, OverflowError):
                continue
            if not math.isfinite(ran_s):
                continue
            self._before_s = max(self._before_s, ran_s)
            self._files.pop(name, None)
            if size >= 0 and _is_ours(name):
                self._files[name] = _File(size, ran_s)

    def _adopt(self) -> None:
        """Files of a version that kept no index: by names that nobody else gives, as if new."""
        found = [path for path in self._folder.glob("*/*") if _is_ours(_name(self._folder, path))]
        for path in sorted(found, key=lambda path: path.name):
            self._files[_name(self._folder, path)] = _File(path.lstat().st_size, 0.0)

    def _write_anew(self) -> None:
        lines = "".join(f"{json.dumps(entry)}\n" for entry in self._entries())
        write_whole(self._folder / INDEX, lines.encode())
        self._lines = len(self._files) + 1

    def _entries(self) -> Iterator[dict[str, object]]:
        for name, file in self._files.items():
            yield {"path": name, "bytes": file.bytes, "ran_s": round(file.ran_s, 1)}
        yield {"ran_s": round(self.ran_s, 1)}

    def _append(self, entry: dict[str, object], sync: bool = False) -> None:
        """Opened each time: the file may have been replaced, or deleted, by somebody else."""
        with (self._folder / INDEX).open("a", encoding="utf-8") as index:
            index.write(f"{json.dumps(entry)}\n")
            if sync:
                index.flush()
                os.fsync(index.fileno())
        self._lines += 1
        if self._lines > 2 * len(self._files) + SPARE_LINES:
            self._write_anew()


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _is_ours(name: str) -> bool:
    return OURS.fullmatch(name) is not None


def _is_as_written(path: Path, file: _File) -> bool:
    """Whether it is still the file that was written: not replaced by its owner, not a link."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == file.bytes
