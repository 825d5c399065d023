"""What is under way to the broker, and what waits for room there.

Used under the client's lock; only `acked` is called from elsewhere.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from edge.feed.message import Message

IN_FLIGHT = 100
"""Events sent and not yet acknowledged, at most; half of what a broker allows, if that is less."""
OWED, OWED_BYTES = 500, 4_194_304
"""Messages that are not retained and wait for room, at most."""
UNSURE = 500
"""Messages that need no acknowledgement and are not on the line yet, at most."""
PRECEDENCE_S = 0.1
"""How long an event that found no room is waited for, so that it gets the next."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message without its acknowledgement."""

    message: Message
    event: bool
    """Whether it came by `send`."""


@dataclass(frozen=True, slots=True)
class Ack:
    """What a broker said of a message."""

    message: Message
    refusal: str
    """Why it was refused; else empty."""


class Flight:
    """Keeps a broker's Receive Maximum: no more QoS 1 messages without their acknowledgement."""

    def __init__(self) -> None:
        self.limit = 2 * IN_FLIGHT
        self._sent: dict[int, Sent] = {}
        self._acks: deque[tuple[int, str]] = deque()
        self._owed: dict[str | int, Message] = {}
        """By topic where it is retained: the latest replaces the one before."""
        self._owed_bytes = 0
        self._unsure: set[int] = set()
        self._numbers = count()
        self._turned_away_s = 0.0

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def window(self) -> int:
        """Events that may be under way."""
        return max(1, min(IN_FLIGHT, self.limit // 2))

    @property
    def owed(self) -> int:
        """Messages that wait for room."""
        return len(self._owed)

    @property
    def oldest(self) -> Message | None:
        """The message that the broker acknowledges next: brokers do so in order.

        From any thread, without a lock.
        """
        acked = {number for number, _ in tuple(self._acks)}
        waiting = (
            sent.message for number, sent in tuple(self._sent.items()) if number not in acked
        )
        return next(waiting, None)

    def connected(self, limit: int) -> list[Message]:
        """On a new connection nothing is under way; returns what was, other than events."""
        again = [sent.message for sent in self._sent.values() if not sent.event]
        self.clear()
        self.limit = max(1, min(2 * IN_FLIGHT, limit))
        return again

    def clear(self) -> None:
        """Forget what is under way."""
        self._sent.clear()
        self._acks.clear()
        self._unsure.clear()
        self._turned_away_s = 0.0

    def owe(self, message: Message) -> bool:
        """Keep a message until there is room; False where too many wait already."""
        if message.retain:
            self._owed.pop(message.topic, None)
            self._owed[message.topic] = message
            return True
        if len(self._owed) >= OWED or self._owed_bytes + message.size > OWED_BYTES:
            return False
        self._owed[next(self._numbers)] = message
        self._owed_bytes += message.size
        return True

    def next(self) -> Message | None:
        """The message that is to be sent now; None where none waits, or there is no room."""
        if not self._owed or not self._room_for_others():
            return None
        message = self._owed.pop(next(iter(self._owed)))
        self._owed_bytes -= 0 if message.retain else message.size
        return message

    def room_for_unsure(self) -> bool:
        """Whether one that needs no acknowledgement may be sent now."""
        return len(self._unsure) < UNSURE

    def room_for_event(self) -> bool:
        """Whether an event may be sent now; where not, the next room is an event's."""
        full = len(self._sent) >= self.limit
        self._turned_away_s = time.monotonic() if full else 0.0
        return not full

    def _room_for_others(self) -> bool:
        if time.monotonic() - self._turned_away_s < PRECEDENCE_S:
            return False
        if self.limit == 1:
            return not self._sent
        others = sum(not sent.event for sent in self._sent.values())
        return others < self.limit - self.window and len(self._sent) < self.limit

    def add(self, number: int, message: Message, event: bool = False) -> None:
        """A message is under way."""
        if message.qos == 0:
            self._unsure.add(number)
        else:
            self._sent[number] = Sent(message, event)

    def acked(self, number: int, refusal: str) -> None:
        """The broker has a message. From any thread, without a lock; `settled` takes note."""
        self._acks.append((number, refusal))

    def settled(self) -> Iterator[Ack]:
        """What was acknowledged since."""
        while self._acks:
            number, refusal = self._acks.popleft()
            self._unsure.discard(number)
            sent = self._sent.pop(number, None)
            if sent is not None:
                yield Ack(sent.message, refusal)
