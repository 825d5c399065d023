"""Events -> the journal -> the broker. Nobody who tells an event waits for disk or network.

One thread does it all: what is new becomes one commit, what is committed is sent, what is
acknowledged is noted with the next commit.
"""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, RLock, Thread

from edge.config import OutboxConfig
from edge.feed import payloads
from edge.feed.clock import Clock
from edge.feed.delivery import Delivery
from edge.feed.entry import Entry
from edge.feed.journal import Journal
from edge.feed.journal_file import NOT_A_JOURNAL
from edge.feed.mqtt import MqttClient
from edge.feed.open_stories import Left
from edge.feed.store import Store

log = logging.getLogger(__name__)

GROUP_S = 0.004
"""Commits begin at least this far apart: under load one of them carries several events."""
BUSY_GROUP_S = 0.04
"""The same while committed events wait for the broker: they are what holds everything up."""
MEMORY_EVENTS = 10_000
"""What is held while the disk takes nothing; more is dropped and counted."""
NOTE_AFTER = 200
"""Deliveries that are noted in a commit of their own, where no event brings one."""
RETRY_S = 1.0
"""How soon a disk that took nothing is tried again, and how often the clock is looked at."""
PATIENCE_S = 0.5
"""How long who asks for the depth waits for the disk."""
GOODBYE_S = 0.5
"""How long the end waits for acknowledgements."""


class Outbox:
    """One daemon's events on their way. `with` means: working."""

    def __init__(
        self, path: Path | None, limits: OutboxConfig, client: MqttClient, clock: Clock
    ) -> None:
        """Raises FatalError where another daemon holds the journal."""
        self._limits = limits
        self._client = client
        self._clock = clock
        self._store = Store(path, limits)
        self.path = path
        self.numbers: Iterator[int] = count(self._store.first_seq)
        """The seq of every event to come: it goes on where the journal ends."""
        self._wake = Event()
        self._delivery = self._deliver()
        self._new: deque[Entry] = deque()
        self._end_left: Callable[[Left], None] | None = None
        self._complaint = ""
        self._lost = 0
        self._synced = False
        self._commit_at_s = self._look_at_s = self._end_at_s = 0.0
        self._stopping = False
        self._guard = RLock()
        self._depth = 0
        self.moved_s = time.monotonic()
        """When its thread last came round; it does every second."""
        self._thread = Thread(target=self._run, name="outbox", daemon=True)

    def __enter__(self) -> "Outbox":
        waiting = self.depth
        if waiting:
            log.info("outbox %s: %d events wait for the broker", self.path, waiting)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_at_s = time.monotonic() + GOODBYE_S
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=2 * GOODBYE_S)

    def _deliver(self) -> Delivery:
        return Delivery(self._journal, self._client, self._limits.replay_per_s, self._wake.set)

    @property
    def _journal(self) -> Journal:
        return self._store.journal

    def inherit(self, end: Callable[[Left], None]) -> None:
        """Have every story ended that an earlier run left open: now, and when a journal that
        could not be opened so far is there."""
        with self._guard:
            self._end_left = end
            self._settle()

    def _settle(self) -> None:
        while self._end_left is not None and self._journal.left:
            self._end_left(self._journal.left.pop(0))

    def put(self, entry: Entry) -> None:
        """Take one event; they come in the order of their seq."""
        self._new.append(entry)
        self._wake.set()

    def replay(self, first: int, last: int | None = None, reader: str = "") -> int:
        """Publish again what the journal still has from that seq on; returns how much that is.

        `reader`: who alone gets it, on command/replay/to/<reader>; empty: everybody.

        Raises TransientError where too many replays wait.
        """
        found = 0
        with self._guard:
            try:
                found = self._delivery.replay(first, last, reader=reader)
            except sqlite3.Error as error:
                self._failed(error)
        self._wake.set()
        return found

    def cancel_replays(self) -> int:
        """Call off the replays that are not sent yet; returns how many events that were."""
        with self._guard:
            try:
                return self._delivery.cancel_replays()
            except sqlite3.Error as error:
                self._failed(error)
                return 0

    def flush(self, timeout_s: float) -> int:
        """Wait until the broker has all; returns how many events it has not."""
        until_s = time.monotonic() + timeout_s
        while (missing := self.depth) and time.monotonic() < until_s:
            self._client.check()
            time.sleep(0.005)
        return missing

    @property
    def depth(self) -> int:
        """Events that the broker has not acknowledged; while the disk hangs, as it last was."""
        if self._guard.acquire(timeout=PATIENCE_S):
            try:
                unwritten = sum(entry.seq > self._journal.delivered for entry in list(self._new))
                self._depth = unwritten + self._journal.count(self._journal.delivered)
            finally:
                self._guard.release()
        return self._depth

    @property
    def stored(self) -> int:
        """The last seq that is in the journal: on the disk, where there is one."""
        return self._journal.last_seq

    @property
    def delivered(self) -> int:
        """The broker has everything up to that seq."""
        return self._journal.delivered

    def status(self) -> payloads.OutboxStatus:
        """How the outbox is doing."""
        depth, store, journal = self.depth, self._store, self._journal
        first, last = self._only_in_memory()
        return payloads.OutboxStatus(
            depth=depth,
            bytes=journal.bytes,
            last_seq=journal.last_seq,
            dropped=journal.dropped + self._lost,
            refused=self._delivery.refused,
            durable=not store.reason,
            reason=store.reason,
            memory_since=payloads.iso(store.since_unix_s) if store.reason else None,
            memory_from_seq=first,
            memory_to_seq=last,
        )

    def _only_in_memory(self) -> tuple[int | None, int | None]:
        """First and last event that a power cut would take now."""
        new = list(self._new)
        if self._store.reason and self._store.in_memory and self._journal.last_seq:
            first, last = self._store.first_seq, self._journal.last_seq
            return first, new[-1].seq if new else last
        return (new[0].seq, new[-1].seq) if self._store.reason and new else (None, None)

    def _run(self) -> None:
        while True:
            self.moved_s = time.monotonic()
            self._wake.wait(self._nap_s())
            self._wake.clear()
            with self._guard:
                try:
                    self._round()
                except Exception as error:  # noqa: BLE001  a thread that dies would mute the feed
                    self._complain(error)
                if self._stopping and self._finished():
                    self._close()
                    return

    def _round(self) -> None:
        try:
            self._look_around()
            self._write()
            self._delivery.step()
            if self._journal.unnoted > NOTE_AFTER:
                self._journal.note()
        except sqlite3.Error as error:
            self._failed(error)

    def _complain(self, error: Exception) -> None:
        said = f"unexpected {type(error).__name__}: {error}"
        if said != self._complaint:
            log.error("outbox %s: %s; trying again", self.path, said)
        self._complaint = said
        time.sleep(RETRY_S)

    def _nap_s(self) -> float:
        """How long nothing has to be done unless somebody wakes us."""
        if self._stopping or self._delivery.busy:
            return 0.005
        return max(0.0005, min(1.0, self._commit_at_s - time.monotonic())) if self._new else 1.0

    def _write(self) -> None:
        """All that is new, in one commit."""
        now_s = time.monotonic()
        if self._store.reason and not self._store.in_memory:
            self._delivery.offer(list(self._new), stored=False)
        if not self._new or (now_s < self._commit_at_s and not self._stopping):
            return
        self._commit_at_s = now_s + (BUSY_GROUP_S if self._delivery.unsent else GROUP_S)
        batch = list(self._new)
        self._journal.append(batch)
        for _ in batch:
            self._new.popleft()
        self._store.well(len(batch))
        self._delivery.offer(batch, stored=True)
        dropped = self._journal.trim()
        if dropped:
            log.warning("outbox %s: full: %d events dropped", self.path, dropped)

    def _failed(self, error: sqlite3.Error) -> None:
        """The disk took nothing, or the journal is damaged: the feed goes on."""
        self._commit_at_s = time.monotonic() + RETRY_S
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in NOT_A_JOURNAL and self.path:
            self._begin_anew(self.path)
            return
        self._store.failed(str(error))
        self._delivery.offer(list(self._new), stored=False)
        while len(self._new) > MEMORY_EVENTS:
            if self._new[0].seq <= self._journal.delivered:
                self._new.popleft()
                continue
            updates = (n for n, entry in enumerate(list(self._new)) if not entry.urgent)
            del self._new[next(updates, 0)]
            self._lost += 1

    def _begin_anew(self, path: Path) -> None:
        owed = {entry.seq: entry for entry in (*self._delivery.owed, *self._new)}
        self._store.begin_anew(path)
        self._delivery.begin_anew(self._journal)
        self._new = deque(owed[seq] for seq in sorted(owed))
        self._commit_at_s = 0.0

    def _look_around(self) -> None:
        """Once a second: at the disk and at the clock."""
        if time.monotonic() < self._look_at_s:
            return
        self._look_at_s = time.monotonic() + RETRY_S
        if self._store.look(idle=not self._new):
            self._moved()
        now = self._clock.read()
        if now.synced and not self._synced:
            first = self._journal.clock_is_set(now.offset_s)
            if first:
                log.info("the clock is set: times of events from %d on are corrected", first)
                self._delivery.read_again()
                self._delivery.replay(first, None, must=True)
        self._synced = now.synced

    def _moved(self) -> None:
        """The journal has a file again, with all that was in memory."""
        if self._journal.delivered < self._delivery.journal.delivered:
            refused = self._delivery.refused
            self._delivery = self._deliver()  # what waits in the file is older: it comes first
            self._delivery.refused = refused
        self._delivery.journal = self._journal
        self._settle()

    def _finished(self) -> bool:
        over = time.monotonic() > self._end_at_s
        return over or not (self._new or self._delivery.busy or self._delivery.awaiting)

    def _close(self) -> None:
        with suppress(sqlite3.Error):
            self._store.retry()
        if self._store.reason and (lost := self.depth):
            log.error(
                "outbox %s: %s; %d events that the broker has not acknowledged are lost",
                self.path, self._store.reason, lost,
            )  # fmt: skip
        try:
            self._store.close()
        except sqlite3.Error as error:
            log.error("outbox %s: %s", self.path, error)
