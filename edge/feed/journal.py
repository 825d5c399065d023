"""Events <-> a SQLite file that survives a power cut.

WAL with synchronous=FULL: a commit that returned is on the disk. One append of many entries is
one commit. Nothing here knows MQTT; one thread at a time uses a Journal.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.config import OutboxConfig
from edge.errors import FatalError

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE journal(
    seq INTEGER PRIMARY KEY, boot INTEGER NOT NULL, mono_s REAL NOT NULL, offset_s REAL NOT NULL,
    correctable INTEGER NOT NULL, urgent INTEGER NOT NULL, age_s REAL NOT NULL,
    delivered INTEGER NOT NULL, written INTEGER NOT NULL,
    topic TEXT NOT NULL, payload TEXT NOT NULL);
CREATE TABLE boots(boot INTEGER PRIMARY KEY, kernel TEXT UNIQUE NOT NULL, offset_s REAL);
CREATE TABLE totals(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
PRAGMAS = ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "cache_size=-256")
ROW_BYTES = 64
"""What a row takes beside its topic and payload; headers and the small columns."""
SIZE = f"length(topic) + length(payload) + {ROW_BYTES}"
TRIM_TO = 0.9
"""A journal over its bound is cut to this share of it: rarely, then by whole pages."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on its way to the broker."""

    seq: int
    topic: str
    payload: str
    urgent: bool
    """Starts and ends; updates are given up before them where room is short."""
    correctable: bool
    """Live, and written while nobody held the clock."""
    mono_s: float
    """time.monotonic() when it was told, seconds since the kernel's boot."""
    offset_s: float
    """Wall clock minus monotonic clock at that moment, seconds."""
    shift_s: float = 0.0
    """What its times are off by, known only after the clock was set."""


class Journal:
    """The events of the last days, delivered or not, in the order of their seq."""

    def __init__(self, path: Path | None, limits: OutboxConfig) -> None:
        """None: in memory. Raises sqlite3.Error or OSError where the file cannot be used."""
        self.path = path
        self._limits = limits
        self._began_s = time.monotonic()
        if path is not None:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._db = sqlite3.connect(
            path or ":memory:", timeout=1.0, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        for pragma in PRAGMAS:
            self._db.execute(f"PRAGMA {pragma}")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise FatalError(
                f"{self.path}: was written by a newer Hedgerow: update, or move the file away"
            )
        if version == 0:
            statements = f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
            self._db.executescript(statements)
        kernel = _kernel_boot()
        self._db.execute("INSERT OR IGNORE INTO boots(kernel) VALUES (?)", (kernel,))
        self._boot = self._one("SELECT boot FROM boots WHERE kernel = ?", kernel)
        last = "FROM journal ORDER BY seq DESC LIMIT 1"
        self.last_seq = self._one(f"SELECT seq {last}")
        self.delivered = self._one(f"SELECT delivered {last}")
        self._age_base_s = self._real(f"SELECT age_s {last}")
        self._noted = self.delivered
        self.dropped = self._one("SELECT value FROM totals WHERE name = 'dropped'")
        self._written = self._one(f"SELECT written {last}")
        self._cut_away = self._one("SELECT value FROM totals WHERE name = 'cut'")

    def _real(self, query: str, *values: object) -> float:
        """The first column of the first row; 0 where there is none."""
        row = self._db.execute(query, values).fetchone()
        value: float = row[0] if row and row[0] is not None else 0
        return value

    def _one(self, query: str, *values: object) -> int:
        return int(self._real(query, *values))

    def close(self) -> None:
        """Note what is delivered, and end."""
        try:
            self.note()
        finally:
            self._db.close()

    def abandon(self) -> None:
        """Let go of a damaged file."""
        with suppress(sqlite3.Error):
            self._db.close()

    def continue_after(self, old: "Journal") -> None:
        """An empty journal in the place of a damaged one: what is known in memory goes on."""
        self.last_seq = max(self.last_seq, old.last_seq)
        self.delivered = max(self.delivered, old.delivered)
        self.dropped += old.dropped

    def append(self, entries: Iterable[Entry]) -> None:
        """One commit. What is delivered is noted with it, at no further cost."""
        age_s, written = self._age_s(), self._written
        rows = []
        for e in entries:
            written += _size(e.topic, e.payload)
            rows.append(
                (e.seq, self._boot, e.mono_s, e.offset_s, e.correctable, e.urgent, age_s,
                 self.delivered, written, e.topic, e.payload)
            )  # fmt: skip
        with _transaction(self._db):
            self._db.executemany(
                "INSERT OR REPLACE INTO journal VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows
            )
        self._noted = self.delivered
        self.last_seq = rows[-1][0]
        self._written = written

    @property
    def bytes(self) -> int:
        """What the entries take, delivered ones included."""
        return self._written - self._cut_away

    def note(self) -> None:
        """Write down what is delivered, in the newest row: one page."""
        if self._noted != self.delivered and self.last_seq:
            self._db.execute(
                "UPDATE journal SET delivered = ? WHERE seq = ?", (self.delivered, self.last_seq)
            )
            self._noted = self.delivered

    @property
    def unnoted(self) -> int:
        """Deliveries that a power cut would make forget (and repeat)."""
        return self.delivered - self._noted

    def between(self, after: int, last: int, limit: int) -> list[Entry]:
        """Entries with after < seq <= last, at most so many, in order."""
        rows = self._db.execute(
            "SELECT seq, topic, payload, urgent, correctable, mono_s, journal.offset_s,"
            " CASE WHEN correctable THEN coalesce(boots.offset_s - journal.offset_s, 0) ELSE 0 END"
            " FROM journal LEFT JOIN boots USING (boot)"
            " WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            (after, last, limit),
        )
        return [Entry(r[0], r[1], r[2], bool(r[3]), bool(r[4]), *r[5:]) for r in rows]

    def count(self, after: int, last: int | None = None) -> int:
        """How many entries have after < seq <= last."""
        top = self.last_seq if last is None else last
        return self._one("SELECT count(*) FROM journal WHERE seq > ? AND seq <= ?", after, top)

    def clock_is_set(self, offset_s: float) -> int:
        """The clock can be trusted now: what all of this boot is corrected by.

        Returns the seq of the first entry whose time was off by a second or more; 0: none.
        """
        known_s = self._real("SELECT offset_s FROM boots WHERE boot = ?", self._boot)
        if known_s and abs(known_s - offset_s) < 1:
            return 0
        self._db.execute("UPDATE boots SET offset_s = ? WHERE boot = ?", (offset_s, self._boot))
        return self._one(
            "SELECT min(seq) FROM journal WHERE correctable AND boot = ? AND abs(offset_s - ?) > 1",
            self._boot, offset_s,
        )  # fmt: skip

    def trim(self) -> int:
        """Keep the bounds: delivered entries go first, then updates, then the oldest.

        The newest entry always stays: it carries the seq and what is delivered. Returns how
        many were dropped that nobody had received.
        """
        too_old_s = self._age_s() - self._limits.max_days * 86400
        aged = self._one("SELECT seq FROM journal ORDER BY seq LIMIT 1") if too_old_s > 0 else 0
        old = bool(aged) and self._real("SELECT age_s FROM journal WHERE seq = ?", aged) < too_old_s
        if self.bytes <= self._limits.max_bytes and not old:
            return 0
        dropped = 0
        with _transaction(self._db):
            if old:
                dropped += self._cut("age_s < ?", too_old_s)
            for which in ("seq <= ?", "seq > ? AND NOT urgent", "seq > ?"):
                dropped += self._shrink(which)
            self.dropped += dropped
            self._db.executemany(
                "INSERT OR REPLACE INTO totals VALUES (?, ?)",
                (("dropped", self.dropped), ("cut", self._cut_away)),
            )
        return dropped

    def _shrink(self, which: str) -> int:
        """Delete the oldest of those until there is room; returns how many were undelivered."""
        excess = self.bytes - self._limits.max_bytes * TRIM_TO
        if excess <= 0 or self.bytes <= self._limits.max_bytes:
            return 0
        last = 0
        for seq, topic, payload in self._db.execute(
            f"SELECT seq, topic, payload FROM journal WHERE {which} ORDER BY seq",  # noqa: S608
            (self.delivered,),
        ):
            last, excess = seq, excess - _size(topic, payload)
            if excess <= 0:
                break
        return self._cut(f"{which} AND seq <= {last}", self.delivered)

    def _cut(self, which: str, value: float) -> int:
        where = f"FROM journal WHERE ({which}) AND seq < {self.last_seq}"
        self._cut_away += self._one(f"SELECT sum({SIZE}) {where}", value)
        lost = self._one(f"SELECT count(*) {where} AND seq > {self.delivered}", value)
        self._db.execute(f"DELETE {where}", (value,))
        return lost

    def _age_s(self) -> float:
        """Counted while a daemon runs, so that a clock that jumps cannot empty the journal."""
        return self._age_base_s + time.monotonic() - self._began_s


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One commit, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _size(topic: str, payload: str) -> int:
    return len(topic) + len(payload) + ROW_BYTES


def _kernel_boot() -> str:
    """Names one boot of this machine, within which monotonic clocks can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
