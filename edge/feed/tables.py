"""The journal's SQLite file: its tables, made if they are missing, and one commit at a time.

The file is locked for one process on purpose. The lock is what refuses a second daemon; without
the shared memory that several processes need, the file works on every file system; and no reader
can hold up a checkpoint. Others read what the journal holds through the daemon.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from edge.errors import FatalError

VERSION = 1
TABLES = """
CREATE TABLE journal(
    seq INTEGER PRIMARY KEY, boot INTEGER NOT NULL, mono_s REAL NOT NULL, offset_s REAL NOT NULL,
    correctable INTEGER NOT NULL, urgent INTEGER NOT NULL, age_s REAL NOT NULL,
    delivered INTEGER NOT NULL, written INTEGER NOT NULL,
    topic TEXT NOT NULL, payload TEXT NOT NULL);
CREATE TABLE boots(boot INTEGER PRIMARY KEY, kernel TEXT UNIQUE NOT NULL, offset_s REAL);
CREATE TABLE totals(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
STORIES = """
CREATE TABLE stories(
    story TEXT PRIMARY KEY, boot INTEGER NOT NULL, mono_s REAL NOT NULL, offset_s REAL NOT NULL,
    correctable INTEGER NOT NULL, alive_s REAL NOT NULL,
    topic TEXT NOT NULL, payload TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO stories
    SELECT json_extract(payload, '$.id'), boot, mono_s, offset_s, correctable, mono_s, topic,
        payload
    FROM journal WHERE seq IN (
        SELECT max(seq) FROM journal
        WHERE CASE WHEN json_valid(payload) THEN json_extract(payload, '$.id') END IS NOT NULL
        GROUP BY json_extract(payload, '$.id')
        HAVING NOT max(json_extract(payload, '$.event_type') = 'end'));
"""
"""Came later: journals from before get it, with what they left open. An older Hedgerow that is
installed again does not look at it, hence no new VERSION."""
PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "cache_size=-256")


def connect(path: Path | None) -> sqlite3.Connection:
    """The file with all its tables; None: in memory. Raises sqlite3.Error or OSError.

    A file that is complete is opened without a write, so that a full disk does not prevent it.
    Raises FatalError for a file of a newer Hedgerow.
    """
    if path is not None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    db = sqlite3.connect(
        path or ":memory:", timeout=1.0, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        _complete(db, path)
    except BaseException:
        db.close()
        raise
    return db


def highest_seq(path: Path) -> int | None:
    """The last seq in a file that `connect` could not open; 0: there is none; None: who knows."""
    try:
        if not path.exists():
            return 0
        with closing(sqlite3.connect(path, timeout=0.0)) as db:
            db.execute(f"PRAGMA {PRAGMAS[0]}")
            return int(db.execute("SELECT coalesce(max(seq), 0) FROM journal").fetchone()[0])
    except sqlite3.Error as error:
        return 0 if "no such table" in str(error) else None
    except OSError:
        return None


def _complete(db: sqlite3.Connection, path: Path | None) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise FatalError(f"{path}: was written by a newer Hedgerow: update, or move the file away")
    missing = "" if version else f"{TABLES}PRAGMA user_version={VERSION};"
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'stories'").fetchone():
        missing += STORIES
    if missing:
        db.executescript(f"BEGIN IMMEDIATE;{missing}COMMIT;")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One commit, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
