"""Where a command may write, before it begins; what a file holds."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from converter.scratch import sweep_parts
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
    checked = {out: ours} | dict(beside)
    check_writable(out, max(checked, key=_length))
    sweep_parts(out.parent)
    for path, made in checked.items():
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


def check_writable(out: Path, longest: Path) -> None:
    """Raises FatalError before any work is done where `out`, or the file beside it that has the
    longest name, cannot be written later."""
    if not out.parent.is_dir():
        raise FatalError(f"--out: {out.parent}: there is no such folder")
    most = os.pathconf(out.parent, "PC_NAME_MAX")
    if _length(longest) > most:
        raise FatalError(
            f"--out: the name {longest.name[:20]}… has {_length(longest)} bytes; {most} are the "
            "most here: choose a shorter name"
        )
    if out.is_dir():
        raise FatalError(f"--out: {out}: is a folder; name a file in it")
    try:
        # os.access would believe root, who may write anywhere but on what takes no files.
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise FatalError(
            f"--out: {out.parent}: the folder is not writable ({error.strerror})"
        ) from None


def _length(path: Path) -> int:
    return len(os.fsencode(path.name))


def previous(path: Path) -> Path:
    """What an earlier file of this name is called once it is put aside."""
    return path.with_name(f"{path.name}.previous")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, or of a folder's files with their names."""
    digest = hashlib.sha256()
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in found:
        if file != path:
            digest.update(str(file.relative_to(path)).encode() + b"\0")
        digest.update(file.read_bytes())
    return digest.hexdigest()
