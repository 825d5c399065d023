"""Entries in order of their seq -> the broker, until it has acknowledged them.

Used by one thread; only `ack` is called from another one.
"""

import logging
import time
from collections import deque
from collections.abc import Callable

from edge.feed import payloads
from edge.feed.entry import Entry
from edge.feed.journal import Journal
from edge.feed.message import Message, replayed_to
from edge.feed.mqtt import MqttClient
from edge.feed.replays import Replays

log = logging.getLogger(__name__)

LATE_S = 5.0
"""An event that waited longer than this is marked as replayed."""
UNACKNOWLEDGED_S = 20.0
"""A broker that acknowledges nothing for so long is connected anew."""
READ_AHEAD = 500


class Delivery:
    """What is sent next, what is under way, and how far the broker has everything."""

    def __init__(
        self, journal: Journal, client: MqttClient, rate: float, wake: Callable[[], None]
    ) -> None:
        """`rate`: replayed events a second at most."""
        self.journal = journal
        self.refused = 0
        """Events that the broker would not take."""
        self._client = client
        self._rate = rate
        self._wake = wake
        self._inherited = self._taken = journal.last_seq
        self._behind = journal.delivered < journal.last_seq
        if self._behind:
            self._taken = journal.delivered
        self._ready: deque[Entry] = deque()
        self._replays = Replays()
        self._under_way: dict[int, tuple[Entry, str | None]] = {}
        """By the client's number of the message; with who asked for it again, None: it is new."""
        self._order: deque[int] = deque()
        self._ordered = 0
        self._done: set[int] = set()
        self._acks: deque[tuple[int, str]] = deque()
        self._connection = self._renewals = 0
        self._holding = False
        self._tokens = 0.0
        self._at_s = self._progress_s = time.monotonic()
        client.on_ack = self._ack

    def _ack(self, number: int, refusal: str) -> None:
        """On paho's thread, under its lock: none of ours may be taken here."""
        self._acks.append((number, refusal))
        self._wake()

    def offer(self, entries: list[Entry], stored: bool) -> None:
        """New entries; those that find no room here are read from the journal, if stored."""
        for entry in entries:
            if entry.seq <= self._taken:
                continue
            if self._behind or len(self._ready) >= READ_AHEAD:
                self._behind = self._behind or stored
                return
            self._ready.append(entry)
            self._taken = entry.seq

    def begin_anew(self, journal: Journal) -> None:
        """Another journal, because the old one is damaged: what it alone had is lost."""
        self.journal = journal
        self._behind = False
        self._replays.clear()

    def read_again(self) -> None:
        """What is not yet sent has changed in the journal."""
        if self._ready:
            self._taken = self._ready[0].seq - 1
            self._ready.clear()
            self._behind = True

    def replay(self, first: int, last: int | None, must: bool = False, reader: str = "") -> int:
        """Send again what the journal still has of first..last; returns how much that is.

        Raises TransientError where too many replays wait, unless this one `must` be.
        """
        sent = self._ready[0].seq - 1 if self._ready else self._taken
        top = sent if last is None else min(last, sent)
        found = self.journal.count(first - 1, top)
        if found:
            self._replays.add(first - 1, top, must, reader)
        return found

    def cancel_replays(self) -> int:
        """Call off what is asked for again and not yet sent; returns how much that was."""
        waiting = sum(self.journal.count(after, last) for after, last in self._replays.ranges)
        self._replays.clear()
        return waiting

    @property
    def unsent(self) -> tuple[Entry, ...]:
        """What is held in memory for the broker."""
        return tuple(self._ready)

    @property
    def owed(self) -> tuple[Entry, ...]:
        """What the broker has not acknowledged, as far as it is held in memory."""
        new = (entry for entry, reader in self._under_way.values() if reader is None)
        return (*new, *self._ready)

    @property
    def busy(self) -> bool:
        """Whether there is something to send, and room and somebody to send it to."""
        able = self._client.connected.is_set() and self._room() and not self._holding
        return able and bool(self._ready or self._behind or self._replays)

    @property
    def awaiting(self) -> bool:
        """Whether acknowledgements are due on a connection that stands."""
        return self._client.connected.is_set() and bool(self._under_way)

    def step(self) -> None:
        """Take the acknowledgements, then send what there is room for."""
        self._take_acks()
        if self._client.renewals != self._renewals:
            self._begin_again()
        if not self._client.connected.is_set():
            self._progress_s = time.monotonic()
            return
        if self._client.connections != self._connection:
            self._connection = self._client.connections
            self._progress_s = time.monotonic()
            self._holding = True
        # What was under way is repeated by paho in its old order: nothing may overtake it.
        self._holding = self._holding and bool(self._under_way)
        if not self._holding:
            self._refill()
            while self._room() and self._send_next():
                pass
            while self._room_for_replays() > 0 and self._replay_next():
                pass
        self._check_progress()

    def _room(self) -> bool:
        return len(self._under_way) < self._client.window

    def _room_for_replays(self) -> int:
        """Half of the window: a new event never waits for the acknowledgement of an old one."""
        return max(1, self._client.window // 2) - len(self._under_way)

    def _take_acks(self) -> None:
        while self._acks:
            number, refusal = self._acks.popleft()
            if number not in self._under_way:
                continue
            entry, reader = self._under_way.pop(number)
            self._progress_s = time.monotonic()
            if reader is None:
                self._done.add(entry.seq)
                if refusal:
                    self._refuse(entry.seq, refusal)
        while self._order and self._order[0] in self._done:
            self._done.discard(self._order[0])
            self.journal.delivered = self._order.popleft()

    def _begin_again(self) -> None:
        """The client has forgotten what was under way: it comes first again."""
        self._renewals = self._client.renewals
        waiting = [entry for entry, reader in self._under_way.values() if reader is None]
        self._ready.extendleft(reversed(waiting))
        for entry, reader in self._under_way.values():
            if reader is not None:
                self._replays.add(entry.seq - 1, entry.seq, must=True, reader=reader)
        self._under_way.clear()
        self._acks.clear()

    def _refuse(self, seq: int, reason: str) -> None:
        self.refused += 1
        log.warning("broker %s refuses event %d: %s", self._client.address, seq, reason)

    def _send_next(self) -> bool:
        if not self._ready and self._behind:
            entries = self.journal.between(self._taken, self.journal.last_seq, READ_AHEAD)
            self._ready.extend(entries)
            self._taken = entries[-1].seq if entries else self.journal.last_seq
            self._behind = self._taken < self.journal.last_seq
        if not self._ready:
            return False
        entry = self._ready[0]
        late = entry.seq <= self._inherited or time.monotonic() - entry.mono_s > LATE_S
        if (late and not self._token()) or not self._send(entry, late):
            return False
        self._ready.popleft()
        return True

    def _replay_next(self) -> bool:
        if not self._replays or self._tokens < 1:
            return False
        after, last = self._replays.first
        room = self._room_for_replays()
        entries = self.journal.between(after, last, room)
        for entry in entries:
            if not self._token() or not self._send(entry, True, self._replays.reader):
                return False
            self._replays.sent(entry.seq)
        if len(entries) < room and self._replays and self._replays.first[1] == last:
            self._replays.sent(last)  # the journal has no more of this range
        return True

    def _send(self, entry: Entry, late: bool, reader: str | None = None) -> bool:
        """Whether that entry is done with: sent, or never to be sent to this broker.

        `reader`: who asked for it again; empty: somebody, for everybody; None: it is new.
        """
        text = entry.payload
        if late or entry.shift_s:
            text = payloads.told_again(text, late, entry.shift_s)
        message = Message(replayed_to(entry.topic, reader) if reader else entry.topic, text)
        if self._client.fits(message):
            number = self._client.send(message, self._connection)
            if number is None:
                return False
            self._under_way[number] = (entry, reader)
        else:
            self._refuse(entry.seq, f"its {message.size} bytes are over {self._client.max_bytes}")
            if reader is None:
                self._done.add(entry.seq)
        if reader is None and entry.seq > self._ordered:
            self._ordered = entry.seq
            self._order.append(entry.seq)
        return True

    def _refill(self) -> None:
        now_s = time.monotonic()
        full = max(1.0, self._rate / 10)
        self._tokens = min(full, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s

    def _token(self) -> bool:
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _check_progress(self) -> None:
        if not self._under_way:
            self._progress_s = time.monotonic()
        elif time.monotonic() - self._progress_s > UNACKNOWLEDGED_S:
            self._progress_s = time.monotonic()
            self._client.restart(f"acknowledges nothing for {UNACKNOWLEDGED_S:.0f} s")
