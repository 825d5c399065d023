"""A folder for what is needed during one run; what earlier runs could not remove goes first."""

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from converter import interruption
from edge.errors import FatalError

PREFIX = "hedgerow-scratch-"
MARK = ".made-by-hedgerow-converter"
"""Without this file in it, a folder of that name is removed only if it is empty."""
PART = re.compile(r"\.hedgerow-[0-9a-f]{16}\.part")
"""Files that become an output once they are whole."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of our own that is gone afterwards. Raises FatalError on a full disk."""
    home = _home()
    try:
        sweep_folders(home)
        with interruption.deferred():
            folder, lock = _made(home)
            remove = partial(shutil.rmtree, folder, ignore_errors=True)
            interruption.remember(folder, remove)
        try:
            yield folder
        finally:
            remove()
            interruption.forget(folder)
            os.close(lock)
    except OSError as error:
        advice = ": free some space, or set TMPDIR to a folder on another disk"
        told = advice if error.errno == errno.ENOSPC else ""
        raise FatalError(f"{error.filename or home}: {error.strerror}{told}") from None


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """What libraries make with `tempfile` goes with this folder. For commands of one thread."""
    kept, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = kept


def sweep_folders(home: Path) -> None:
    """Remove the scratch folders of runs that have ended."""
    for folder in home.glob(f"{PREFIX}*"):
        with suppress(OSError):
            _sweep(folder)


def sweep_parts(folder: Path) -> None:
    """Remove the half files of runs that have ended."""
    for path in folder.glob(".hedgerow-*.part"):
        with suppress(OSError):
            if PART.fullmatch(path.name) and _is_ours(path, stat.S_ISREG):
                lock = lock_of(path, wait=False)
                path.unlink()
                os.close(lock)


def lock_of(path: Path, wait: bool) -> int:
    """The descriptor of a file or folder that nobody else holds; a process loses it when it ends,
    however it does. Raises OSError, also for one that is held if it is not to be waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    if wait:
        with suppress(OSError):  # some network disks have no locks: nobody will sweep there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _home() -> Path:
    """TMPDIR; else /var/tmp, for /tmp is in memory on many systems, and pictures need room."""
    large = Path("/var/tmp")  # noqa: S108 - mkdtemp makes a folder that is ours alone
    given = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    if not given and os.access(large, os.W_OK | os.X_OK):
        return large
    return Path(tempfile.gettempdir())


def _made(home: Path) -> tuple[Path, int]:
    """A new folder and its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
        with suppress(FileNotFoundError):  # another run's sweep was faster than our lock
            lock = lock_of(folder, wait=True)
            (folder / MARK).touch()
            return folder, lock


def _sweep(folder: Path) -> None:
    if not _is_ours(folder, stat.S_ISDIR):
        return
    lock = lock_of(folder, wait=False)
    try:
        if (folder / MARK).is_file():
            shutil.rmtree(folder)
        else:
            folder.rmdir()
    finally:
        os.close(lock)


def _is_ours(path: Path, is_kind: Callable[[int], bool]) -> bool:
    found = path.lstat()
    return is_kind(found.st_mode) and found.st_uid == os.geteuid()
