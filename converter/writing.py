"""Bytes -> files: all of them whole, or none, and then those of earlier stay as they were."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from converter import interruption
from converter.files import previous
from edge.errors import FatalError


def write_whole(path: Path, content: bytes) -> None:
    """One file. Raises FatalError."""
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes], aside: Path | None = None) -> None:
    """The files, in this order. An earlier file `aside` becomes `NAME.previous`: nobody mistakes
    it for a new one. Raises FatalError."""
    first = next(iter(contents))
    try:
        with ExitStack() as staged:
            moves = [(staged.enter_context(_staged(p, data)), p) for p, data in contents.items()]
            if aside is not None and aside.exists():
                moves.insert(0, (aside, previous(aside)))
            with interruption.deferred():
                _move(moves)
            _sync(first.parent)
    except OSError as error:
        raise FatalError(f"{first}: cannot be written: {error.strerror}") from None


def _beside(path: Path) -> Path:
    """A name in the same folder that `scratch.sweep_parts` knows."""
    return path.with_name(f".hedgerow-{secrets.token_hex(8)}.part")


@contextmanager
def _staged(path: Path, content: bytes) -> Iterator[Path]:
    """The content on the disk, under another name, for as long as the block lasts."""
    part = _beside(path)
    remove = partial(part.unlink, missing_ok=True)
    interruption.remember(part, remove)
    try:
        with _held(part) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            yield part
    finally:
        remove()
        interruption.forget(part)


def _held(part: Path) -> BinaryIO:
    """A new file that no sweep of another run removes."""
    while True:
        file = part.open("xb")
        with suppress(OSError):  # some network disks have no locks: nobody will sweep there
            fcntl.flock(file, fcntl.LOCK_EX)
        if part.exists():
            return file
        file.close()


def _move(moves: list[tuple[Path, Path]]) -> None:
    """Rename all, or none. Raises OSError."""
    with ExitStack() as kept, ExitStack() as back:
        for source, target in moves:
            earlier = _beside(target)
            kept.callback(earlier.unlink, missing_ok=True)
            _keep(target, earlier)
            source.replace(target)
            back.callback(_move_back, source, target, earlier)
        back.pop_all()


def _keep(target: Path, earlier: Path) -> None:
    """A second name for a file, if it is there; a copy on disks that know no second names."""
    try:
        earlier.hardlink_to(target)
    except FileNotFoundError:
        return
    except OSError:
        shutil.copyfile(target, earlier)


def _move_back(source: Path, target: Path, earlier: Path) -> None:
    with suppress(OSError):
        target.replace(source)
        earlier.replace(target)


def _sync(folder: Path) -> None:
    """The new names, too, outlive a power cut."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
