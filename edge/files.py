"""Bytes -> a file that is whole or not there."""

import os
import pwd
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write beside, sync, then rename: a reader, or a power cut, never leaves half a file.

    `mode` is the new file's permissions; None: as the umask says. Raises OSError.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def withheld(path: Path, write: bool = False) -> str:
    """Why this user may not read (or write) a file that is there, and what to do about it.

    Empty: the file is missing, or the user may.
    """
    user = user_name(os.geteuid())
    for folder in reversed(path.absolute().parents):
        if not os.access(folder, os.X_OK, effective_ids=True):
            closed = os.access(folder, os.F_OK) and folder.is_dir()
            return f"{user} may not enter {folder}: move the file elsewhere" if closed else ""
    wanted = os.W_OK if write else os.R_OK
    if not os.access(path, os.F_OK) or os.access(path, wanted, effective_ids=True):
        return ""
    owner = user_name(path.stat().st_uid)
    if write:
        return f"it belongs to {owner}, and {user} may not write it: sudo chown {user}: {path}"
    advice = f"sudo chgrp {user} {path} && sudo chmod g+r {path}"
    return f"it belongs to {owner}, and {user} may not read it: {advice}"


def user_name(number: int) -> str:
    """Of a user's number."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container's
        return str(number)


def _sync_folder(folder: Path) -> None:
    """Without it a power cut may bring the old file back. Some network shares refuse it."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        finally:
            os.close(number)
