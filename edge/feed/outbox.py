"""Events -> the journal -> the broker. Nobody who tells an event waits for disk or network.

One thread does it all: what is new becomes one commit, what is committed is sent, what is
acknowledged is noted with the next commit.
"""

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread

from edge.config import OutboxConfig
from edge.feed import payloads
from edge.feed.clock import Clock
from edge.feed.delivery import Delivery
from edge.feed.journal import Entry
from edge.feed.journal_file import NOT_A_JOURNAL, open_journal, set_aside
from edge.feed.mqtt import MqttClient

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
        self._journal, self._memory_only = open_journal(path, limits)
        self.path = self._journal.path
        self.numbers: Iterator[int] = count(self._journal.last_seq + 1)
        """The seq of every event to come: it goes on where the journal ends."""
        self._wake = Event()
        self._delivery = Delivery(self._journal, client, limits.replay_per_s, self._wake.set)
        self._new: deque[Entry] = deque()
        self._failure = ""
        self._lost = 0
        self._synced = False
        self._commit_at_s = self._look_at_s = self._end_at_s = 0.0
        self._stopping = False
        self._guard = Lock()
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

    def put(self, entry: Entry) -> None:
        """Take one event; they come in the order of their seq."""
        self._new.append(entry)
        self._wake.set()

    def replay(self, first: int, last: int | None = None) -> int:
        """Publish again what the journal still has from that seq on; returns how much that is.

        Raises TransientError where too many replays wait.
        """
        found = 0
        with self._guard:
            try:
                found = self._delivery.replay(first, last)
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
        depth = self.depth
        reason = self._failure or self._memory_only
        return payloads.OutboxStatus(
            depth=depth,
            bytes=self._journal.bytes,
            last_seq=self._journal.last_seq,
            dropped=self._journal.dropped + self._lost,
            refused=self._delivery.refused,
            durable=not reason,
            reason=reason,
        )

    def _run(self) -> None:
        while True:
            self.moved_s = time.monotonic()
            self._wake.wait(self._nap_s())
            self._wake.clear()
            with self._guard:
                try:
                    self._look_at_clock()
                    self._store()
                    self._delivery.step()
                    if self._journal.unnoted > NOTE_AFTER:
                        self._journal.note()
                except sqlite3.Error as error:
                    self._failed(error)
                except Exception as error:  # noqa: BLE001  a thread that dies would mute the feed
                    log.error(
                        "outbox %s: unexpected %s: %s", self.path, type(error).__name__, error
                    )
                    time.sleep(RETRY_S)
                if self._stopping and self._finished():
                    self._close()
                    return

    def _nap_s(self) -> float:
        """How long nothing has to be done unless somebody wakes us."""
        if self._stopping or self._delivery.busy:
            return 0.005
        return max(0.0005, min(1.0, self._commit_at_s - time.monotonic())) if self._new else 1.0

    def _store(self) -> None:
        """All that is new, in one commit."""
        now_s = time.monotonic()
        if self._failure:
            self._delivery.offer(list(self._new), stored=False)
        if not self._new or (now_s < self._commit_at_s and not self._stopping):
            return
        self._commit_at_s = now_s + (BUSY_GROUP_S if self._delivery.unsent else GROUP_S)
        batch = list(self._new)
        self._journal.append(batch)
        for _ in batch:
            self._new.popleft()
        if self._failure:
            log.warning("outbox %s: the disk takes events again", self.path)
            self._failure = ""
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
        if self._failure != str(error):
            log.error("outbox %s: %s; events wait in memory meanwhile", self.path, error)
        self._failure = str(error)
        self._delivery.offer(list(self._new), stored=False)
        while len(self._new) > MEMORY_EVENTS:
            if self._new[0].seq <= self._journal.delivered:
                self._new.popleft()
                continue
            updates = (n for n, entry in enumerate(list(self._new)) if not entry.urgent)
            del self._new[next(updates, 0)]
            self._lost += 1

    def _begin_anew(self, path: Path) -> None:
        old = self._journal
        old.abandon()
        set_aside(path)
        self._journal, self._memory_only = open_journal(path, self._limits)
        self._journal.continue_after(old)
        self._delivery.move_to(self._journal)
        self._new.extendleft(reversed(self._delivery.unsent))
        self._commit_at_s = 0.0

    def _look_at_clock(self) -> None:
        """When the clock is set, what was told before it is told again with the right time."""
        if time.monotonic() < self._look_at_s:
            return
        self._look_at_s = time.monotonic() + RETRY_S
        now = self._clock.read()
        if now.synced and not self._synced:
            first = self._journal.clock_is_set(now.offset_s)
            if first:
                log.info("the clock is set: times of events from %d on are corrected", first)
                self._delivery.read_again()
                self._delivery.replay(first, None, must=True)
        self._synced = now.synced

    def _finished(self) -> bool:
        over = time.monotonic() > self._end_at_s
        return over or not (self._new or self._delivery.busy or self._delivery.awaiting)

    def _close(self) -> None:
        try:
            self._journal.close()
        except sqlite3.Error as error:
            log.error("outbox %s: %s", self.path, error)
