"""Where a device's journal lies, and what becomes of a file that cannot be used."""

import logging
import sqlite3
from pathlib import Path

from edge.config import OutboxConfig, state_dir
from edge.errors import FatalError, HedgerowError
from edge.feed.journal import Journal
from edge.files import withheld

log = logging.getLogger(__name__)

NOT_A_JOURNAL = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
HOMELESS = "there is no state folder; outbox.folder sets one"


def open_journal(path: Path | None, limits: OutboxConfig) -> tuple[Journal, str]:
    """The journal, and why it is only in memory; empty where it is on the disk.

    A damaged file is moved aside. Raises FatalError where another daemon holds the file.
    """
    if path is None:
        return Journal(None, limits), HOMELESS
    try:
        return open_on_disk(path, limits), ""
    except (sqlite3.Error, OSError) as error:
        reason = why(path, error)
    log.warning("outbox %s; events wait in memory only, and it is tried again", reason)
    return Journal(None, limits), reason


def open_on_disk(path: Path, limits: OutboxConfig) -> Journal:
    """The journal in this file; one that is damaged is moved aside.

    Raises FatalError where another daemon holds it, else sqlite3.Error or OSError.
    """
    try:
        return Journal(path, limits)
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            raise FatalError(
                f"{path}: another daemon holds this outbox: stop it, or give this one a "
                "device id of its own (--device)"
            ) from None
        if code not in NOT_A_JOURNAL or not set_aside(path):
            raise
    return Journal(path, limits)


def why(path: Path, error: sqlite3.Error | OSError) -> str:
    """Why a journal cannot be opened, and what to do."""
    beside = (Path(f"{path}{more}") for more in ("", "-wal", "-shm"))
    for part, reason in ((part, withheld(part, write=True)) for part in beside):
        if reason:  # as after `sudo edge run` with this folder; SQLite calls it a disk I/O error
            return f"{part}: {reason}"
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    hint = "outbox.folder must be a folder that can be written, on a disk with room"
    return f"{path}: {reason} ({hint})"


def set_aside(path: Path) -> bool:
    """Move a damaged journal out of the way; whether that was possible."""
    aside = path.with_suffix(".damaged")
    try:
        path.rename(aside)
        log_file = Path(f"{path}-wal")
        if log_file.exists():
            log_file.rename(f"{aside}-wal")
    except OSError:
        return False
    log.error("outbox %s: is damaged: moved to %s; a new one begins", path, aside)
    return True


def default_path(limits: OutboxConfig, device: str) -> Path | None:
    """Where a device's journal lies: outbox.folder, else systemd's, else the user's."""
    try:
        return (limits.folder or state_dir()) / f"{device}.outbox"
    except (RuntimeError, HedgerowError):  # somebody without a home
        return None
