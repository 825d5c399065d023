"""The journal that is in use: on the disk, or in memory until the disk takes it."""

import logging
import sqlite3
import time
from pathlib import Path

from edge.config import OutboxConfig
from edge.errors import FatalError
from edge.feed import journal_file, tables
from edge.feed.journal import Journal

log = logging.getLogger(__name__)

REOPEN_S = 3.0
"""How soon a journal that could not be opened, or that vanished, is tried again."""
PROBE_S = 1.0
"""How soon a disk that took nothing is tried again where no event does it."""
ALIVE_S = 30.0
"""How often the disk is told that the open stories go on."""


class Store:
    """Keeps the journal durable, and says since when it is not. One thread uses it."""

    def __init__(self, path: Path | None, limits: OutboxConfig) -> None:
        """Raises FatalError where another daemon holds the journal."""
        self.path = path
        self._limits = limits
        self.journal, self.reason = journal_file.open_journal(path, limits)
        """`reason`: why events are only in memory; empty: they are on the disk."""
        self.since_unix_s = time.time()
        """Since when they are only in memory, if they are."""
        known = self.journal.last_seq
        if self.reason and path is not None:
            found = tables.highest_seq(path)
            known = int(time.time() * 1000) if found is None else found
        self.first_seq = known + 1
        """Above all that the file can hold, if nobody can read it now."""
        self._gone: list[Journal] = []
        self._reopen_at_s = self._probe_at_s = 0.0
        self._alive_at_s = time.monotonic() + ALIVE_S

    @property
    def in_memory(self) -> bool:
        """Whether the journal itself has no file now."""
        return self.journal.path is None

    def failed(self, reason: str) -> None:
        """The disk took nothing: a reason that stays the same is logged once."""
        if self.reason != reason:
            named = reason if reason.startswith(str(self.path)) else f"{self.path}: {reason}"
            log.error("outbox %s; events wait in memory meanwhile", named)
        if not self.reason:
            self.since_unix_s = time.time()
        self.reason = reason

    def well(self, events: int) -> None:
        """The disk took so many events."""
        if self.reason and not self.in_memory:
            log.warning(
                "outbox %s: the disk takes events again; it has all %d that were only in memory",
                self.path, events,
            )  # fmt: skip
            self.reason = ""

    def look(self, idle: bool) -> bool:
        """From time to time: whether another journal is in use now. Raises sqlite3.Error.

        `idle`: no event waits to be written, which would show whether the disk takes it.
        """
        now_s = time.monotonic()
        if self.path is None:
            return False
        if (self.in_memory or self.journal.gone) and now_s >= self._reopen_at_s:
            self._reopen_at_s = now_s + REOPEN_S
            return self._move(self.path)
        if self.reason and idle and now_s >= self._probe_at_s:
            self._probe_at_s = now_s + PROBE_S
            self.journal.probe()
            self.well(0)
        if now_s >= self._alive_at_s:
            self._alive_at_s = now_s + ALIVE_S
            self.journal.stories.alive(now_s)
        return False

    def retry(self) -> bool:
        """The same now, before it is closed."""
        self._reopen_at_s = 0.0
        return self.look(idle=False)

    def _move(self, path: Path) -> bool:
        """All that is in memory, or in a file without a name, goes to the disk."""
        if not self.in_memory:
            self.failed("the file has vanished")
        try:
            new = journal_file.open_on_disk(path, self._limits)
        except (sqlite3.Error, OSError) as error:
            self.failed(journal_file.why(path, error))
            return False
        except FatalError as error:
            self.failed(str(error))
            return False
        try:
            new.take_over(self.journal)
        except sqlite3.Error as error:
            new.abandon()
            self.failed(str(error))
            return False
        # SQLite deletes the log by its name when it closes a file: the new one's, by now
        self._gone.append(self.journal)
        old, self.journal = self.journal, new
        self.well(old.count(0))
        return True

    def begin_anew(self, path: Path) -> None:
        """The file is damaged: it is moved aside, and an empty one takes its place."""
        old = self.journal
        old.abandon()
        journal_file.set_aside(path)
        try:
            self.journal, reason = journal_file.open_journal(path, self._limits)
        except FatalError as error:
            self.journal, reason = Journal(None, self._limits), str(error)
        if reason:
            self.failed(reason)
        self.journal.continue_after(old)

    def close(self) -> None:
        """The journal in use first: see `_move`."""
        try:
            self.journal.close()
        finally:
            for journal in self._gone:
                journal.abandon()
