"""A model of the catalogue -> one .tflite file with its contract, in a folder of the user's."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from urllib.parse import urlsplit

from edge import model
from edge.catalog.download import Advance, download
from edge.catalog.entries import Entry, Remote
from edge.errors import FatalError, HedgerowError, TransientError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched, where to, and where from."""

    name: str
    entry: Entry
    folder: Path
    mirror: str | None = None
    """An http(s) address or a folder that has the files under their upstream names."""
    force: bool = False
    """Whether a file that is there is overwritten."""

    @property
    def out(self) -> Path:
        """The file that will be there."""
        return self.folder / f"{self.name}.tflite"


def fetch(wanted: Wanted, advance: Advance) -> Path:
    """The model's file appears whole and verified, or not at all.

    `advance` is told how many bytes are there. What has come before a cut stays beside it, in a
    file that ends in .part. Raises FatalError, TransientError.
    """
    if not wanted.force and os.path.lexists(wanted.out):
        raise FatalError(
            f"{wanted.out}: is there already, and is not this model as the catalogue has it: move "
            "it away, or give --force"
        )
    part = wanted.folder / f"{wanted.out.name}.{wanted.entry.model.sha256[:8]}.part"
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        if wanted.mirror is not None and "://" not in wanted.mirror:
            content = _copied(Path(wanted.mirror) / wanted.entry.model.file, wanted.entry.model)
        else:
            content = _downloaded(wanted, part, advance)
        _write_whole(wanted.out, _sealed(wanted, content))
        part.unlink(missing_ok=True)
    except OSError as error:
        where = error.filename or wanted.folder
        raise TransientError(f"{where}: cannot be written: {error.strerror}") from None
    return wanted.out


def _downloaded(wanted: Wanted, part: Path, advance: Advance) -> bytes:
    """The upstream file's verified bytes."""
    address = _address(wanted)
    with _held(part) as file:
        try:
            download(wanted.entry.model, address, file, advance)
        except HedgerowError as error:
            if isinstance(error, FatalError) or not part.stat().st_size:
                part.unlink()
            raise
        except OSError as error:  # a full disk is not kept full
            part.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(part)) from None
        file.seek(0)
        return file.readall()


def _address(wanted: Wanted) -> str:
    if wanted.mirror is None:
        return wanted.entry.model.url
    parts = urlsplit(wanted.mirror)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise FatalError(
            "--from: expected http://HOST/… or https://HOST/… without a password, or a folder, "
            f"got {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        )
    return f"{wanted.mirror.rstrip('/')}/{wanted.entry.model.file}"


def _copied(path: Path, remote: Remote) -> bytes:
    try:
        content = path.read_bytes() if path.stat().st_size == remote.bytes else b""
    except OSError as error:
        raise FatalError(f"{path}: cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != remote.sha256:
        raise FatalError(f"{path}: is another file than the catalogue's; nothing was kept")
    return content


@contextmanager
def _held(part: Path) -> Iterator[FileIO]:
    """The file, ours alone while we write it."""
    with FileIO(os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransientError(f"{part}: another `edge models fetch` writes it") from None
        yield file


def _sealed(wanted: Wanted, content: bytes) -> bytes:
    """The upstream file with labels and contract behind its flatbuffer."""
    parts = model.appended(wanted.out, content)
    contract = wanted.entry.contract(wanted.name, parts.files)
    return model.sealed(content[: parts.flatbuffer_bytes], contract, parts.files)


def _write_whole(out: Path, content: bytes) -> None:
    """Under a passing name first, on the disk before it gets its own."""
    handle, passing = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(passing).replace(out)
    except BaseException:
        Path(passing).unlink(missing_ok=True)
        raise
