"""The stories that have begun and not ended, as the disk knows them: a kill leaves them there.

They live in the journal's file and are written in the commits of their events.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from edge.feed.entry import Entry


@dataclass(frozen=True, slots=True)
class Left:
    """A story that an earlier run began and did not end."""

    latest: Entry
    """Its latest event."""
    idle_s: float
    """From that event to the last sign of life of the run that told it."""


class OpenStories:
    """The table `stories`; `alive` is called now and then while the daemon lives."""

    def __init__(self, db: sqlite3.Connection, boot: int) -> None:
        self._db = db
        self._boot = boot
        self._told: dict[str, Entry] = {}
        """What this run has begun: the latest event of each story."""

    def left(self, kernel: str) -> list[Left]:
        """What the table held before this run wrote to it. `kernel` names this boot."""
        rows = self._db.execute(
            "SELECT topic, payload, correctable AND ifnull(kernel, '') = ?, mono_s, s.offset_s,"
            " CASE WHEN correctable THEN coalesce(b.offset_s - s.offset_s, 0) ELSE 0 END,"
            " story, alive_s - mono_s"
            " FROM stories AS s LEFT JOIN boots AS b USING (boot) ORDER BY boot, mono_s",
            (kernel,),
        )
        return [
            Left(Entry(0, r[0], r[1], True, bool(r[2]), r[3], r[4], r[5], story=r[6]), r[7])
            for r in rows
        ]

    def write(self, entries: Iterable[Entry]) -> None:
        """Within the transaction that stores these events."""
        for e in entries:
            if e.ends:
                self._db.execute("DELETE FROM stories WHERE story = ?", (e.story,))
            elif e.story:
                self._db.execute(
                    "INSERT OR REPLACE INTO stories VALUES (?,?,?,?,?,?,?,?)",
                    (e.story, self._boot, e.mono_s, e.offset_s, e.correctable, e.mono_s, e.topic,
                     e.payload),
                )  # fmt: skip

    def written(self, entries: Iterable[Entry]) -> None:
        """That transaction is committed."""
        for e in entries:
            if e.ends:
                self._told.pop(e.story, None)
            elif e.story:
                self._told[e.story] = e

    def alive(self, mono_s: float) -> None:
        """All that this run has open goes on until now."""
        if self._told:
            names = ",".join("?" * len(self._told))
            self._db.execute(
                f"UPDATE stories SET alive_s = ? WHERE story IN ({names})",  # noqa: S608
                (mono_s, *self._told),
            )

    @property
    def told(self) -> tuple[Entry, ...]:
        """The latest event of each story that this run has open."""
        return tuple(self._told.values())
