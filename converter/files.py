"""Bytes -> files that are whole or not there."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge import files
from edge.errors import FatalError

Recognizer = Callable[[Path], bool]
"""Whether a file is one that this command made earlier."""


def check_outputs(
    out: Path, beside: Mapping[Path, Recognizer], ours: Recognizer, inputs: Iterable[Path | None]
) -> None:
    """Raises FatalError before any work is done where writing `out`, or a file beside it, would
    fail or would cost the user a file.

    `ours` and `beside` tell which files an earlier run made: these may be replaced.
    """
    check_writable(out)
    for path, made in ({out: ours} | dict(beside)).items():
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise FatalError(f"--out: {path}: is not a regular file: choose another name")
        if any(one is not None and _same(one, path) for one in inputs):
            raise FatalError(f"--out: {path}: is an input of this command: choose another name")
        if path.exists() and path.stat().st_size and not made(path):
            raise FatalError(
                f"--out: {path}: is there already and was not made by this command: "
                "choose another name, or move the file away"
            )


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file, under whichever name, or will be."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def check_writable(out: Path) -> None:
    """Raises FatalError before any work is done where `out` cannot be written later."""
    if out.is_dir():
        raise FatalError(f"--out: {out}: is a folder; name a file in it")
    if not out.parent.is_dir():
        raise FatalError(f"--out: {out.parent}: there is no such folder")
    try:
        # os.access would believe root, who may write anywhere but on what takes no files.
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise FatalError(
            f"--out: {out.parent}: the folder is not writable ({error.strerror})"
        ) from None


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of our own that is gone afterwards. Raises FatalError on a full disk."""
    try:
        with tempfile.TemporaryDirectory(prefix="hedgerow-") as folder:
            yield Path(folder)
    except OSError as error:
        raise FatalError(f"{error.filename or tempfile.gettempdir()}: {error.strerror}") from None


def write_whole(path: Path, content: bytes) -> None:
    """As `edge.files.write_whole`. Raises FatalError."""
    try:
        files.write_whole(path, content)
    except OSError as error:
        raise FatalError(f"{path}: cannot be written: {error.strerror}") from None


def previous(path: Path) -> Path:
    """What an earlier file of this name is called once it is put aside."""
    return path.with_name(f"{path.name}.previous")


def put_aside(path: Path) -> None:
    """An earlier file of this name becomes `NAME.previous`: nobody mistakes it for a new one."""
    if path.exists():
        path.replace(previous(path))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, or of a folder's files with their names."""
    digest = hashlib.sha256()
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in found:
        if file != path:
            digest.update(str(file.relative_to(path)).encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()
