"""Events <-> a SQLite file that survives a power cut.

WAL with synchronous=FULL: a commit that returned is on the disk. One append of many entries is
one commit. Nothing here knows MQTT; one thread at a time uses a Journal.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.config import OutboxConfig
from edge.feed import tables
from edge.feed.boots import Boots
from edge.feed.entry import Entry
from edge.feed.open_stories import Left, OpenStories

ROW_BYTES = 64
"""What a row takes beside its topic and payload; headers and the small columns."""
SIZE = f"length(topic) + length(payload) + {ROW_BYTES}"
TRIM_TO = 0.9
"""A journal over its bound is cut to this share of it: rarely, then by whole pages."""
INSERT = "INSERT OR REPLACE INTO journal VALUES (?,?,?,?,?,?,?,?,?,?,?)"


class Journal:
    """The events of the last days, delivered or not, in the order of their seq."""

    def __init__(self, path: Path | None, limits: OutboxConfig) -> None:
        """None: in memory. Raises sqlite3.Error or OSError where the file cannot be used."""
        self.path = path
        self._limits = limits
        self._began_s = time.monotonic()
        self._db = tables.connect(path)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._file = self._identity()
        self._boots = Boots(self._db)
        self.stories = OpenStories(self._db, self._boots.present)
        self.left: list[Left] = self.stories.left(self._boots.kernel)
        """The stories that earlier runs left open."""
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
        with tables.transaction(self._db):
            self.stories.write(old.stories.told)
        self.stories.written(old.stories.told)

    def take_over(self, old: "Journal") -> None:
        """Store all that another journal holds, in one commit; raises sqlite3.Error.

        What waits here already is owed to the broker before anything of the other one.
        """
        age_s, written, last_seq = self._age_s(), self._written, self.last_seq
        settled = self.delivered == last_seq
        delivered = max(self.delivered, old.delivered) if settled else self.delivered
        rows = []
        for kernel, seq, *row in old._rows():
            if seq > self.last_seq:
                last_seq, written = seq, written + _size(row[-2], row[-1])
                rows.append((kernel, seq, *row[:-2], age_s, delivered, written, *row[-2:]))
        with tables.transaction(self._db):
            self._boots.adopt(old._boots.offsets())
            self._db.executemany(
                "INSERT INTO journal SELECT ?2, boot, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11"
                " FROM boots WHERE kernel = ?1",
                rows,
            )
            self.stories.write(old.stories.told)
        self.stories.written(old.stories.told)
        self._boots.known = True
        self.delivered = self._noted = delivered
        self.dropped += old.dropped
        self.last_seq, self._written = last_seq, written

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        """All entries, each with the kernel's boot that it is of."""
        return self._db.execute(
            "SELECT kernel, seq, mono_s, journal.offset_s, correctable, urgent, topic, payload"
            " FROM journal JOIN boots USING (boot) ORDER BY seq"
        )

    def probe(self) -> None:
        """Write something, to see whether the disk takes it. Raises sqlite3.Error."""
        self._db.execute("INSERT OR REPLACE INTO totals VALUES ('probe', ?)", (self.last_seq,))

    @property
    def gone(self) -> bool:
        """Whether the file was deleted or replaced by another: what is written is lost."""
        return self._identity() != self._file

    def _identity(self) -> tuple[int, int]:
        """Of the file that the path names now."""
        try:
            found = self.path.stat() if self.path is not None else None
        except OSError:
            found = None
        return (found.st_dev, found.st_ino) if found else (0, 0)

    def append(self, entries: Iterable[Entry]) -> None:
        """One commit. What is delivered is noted with it, at no further cost."""
        entries = tuple(entries)
        age_s, written = self._age_s(), self._written
        rows = []
        for e in entries:
            written += _size(e.topic, e.payload)
            rows.append(
                (e.seq, self._boots.present, e.mono_s, e.offset_s, e.correctable, e.urgent, age_s,
                 self.delivered, written, e.topic, e.payload)
            )  # fmt: skip
        with tables.transaction(self._db):
            if not self._boots.known:
                self._boots.write()
            self._db.executemany(INSERT, rows)
            self.stories.write(entries)
        self.stories.written(entries)
        self._boots.known = True
        self._noted = self.delivered
        self.last_seq = max(self.last_seq, rows[-1][0])
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
        if not self._boots.correct(offset_s):
            return 0
        return self._one(
            "SELECT min(seq) FROM journal WHERE correctable AND boot = ? AND abs(offset_s - ?) > 1",
            self._boots.present, offset_s,
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
        before = self.dropped, self._cut_away
        try:
            with tables.transaction(self._db):
                return self._trim(too_old_s if old else 0.0)
        except BaseException:
            self.dropped, self._cut_away = before  # nothing is cut that is not committed
            raise

    def _trim(self, too_old_s: float) -> int:
        dropped = self._cut("age_s < ?", too_old_s) if too_old_s else 0
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


def _size(topic: str, payload: str) -> int:
    return len(topic) + len(payload) + ROW_BYTES
