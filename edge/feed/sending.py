"""Messages -> the broker, as far as it has room for them: the sending half of a connection."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Lock

from edge.feed.access import Address
from edge.feed.bounded_client import BoundedClient
from edge.feed.denied import Denied
from edge.feed.flight import Flight
from edge.feed.log_rate import LogRate
from edge.feed.message import Message

log = logging.getLogger(__name__)


class Sender:
    """What is retained, what is under way and what waits; whoever connects sets `_client`."""

    _client: BoundedClient

    def __init__(self, address: Address) -> None:
        self.address = address
        self.connected = Event()
        self.connections = 0
        """Counts them; within one of them, messages arrive in the order of `send`."""
        self.dropped = 0
        self.max_bytes = 0  # the largest message that the broker takes; 0: any
        self.renewals = 0
        """How often all that was under way was forgotten: `send` it again."""
        self._denied = Denied(str(address))
        self._log = LogRate(log)
        self._lock = Lock()
        self._due = False
        self._retained: dict[str, Message] = {}
        self._flight = Flight()

    @property
    def window(self) -> int:
        """Messages of `send` that may wait for their acknowledgement."""
        return self._flight.window

    def publish(self, message: Message, first: bool = False) -> None:
        """Say it, as soon as the broker has room for it.

        While the broker is away only what is retained is kept, for its return. `first`: only if
        nothing that we said is retained on that topic yet.
        """
        with self._held():
            if not (first and message.topic in self._retained):
                self._take(message)

    def _take(self, message: Message) -> None:
        if not self.fits(message):
            self._log.warning(
                "broker %s takes no %d bytes: %s", self.address, message.size, message.topic
            )
            self.dropped += 1
            return
        if message.topic in self._denied.aside:
            self.dropped += 1
            return
        if message.retain:
            self._retained[message.topic] = message
            self._flight.owe(message)
            if not message.payload:
                del self._retained[message.topic]
        elif not self.connected.is_set():
            self.dropped += 1
        elif message.qos == 0:
            self._client.say(message)
        elif not self._flight.owe(message):
            self._hurry(message)

    def _hurry(self, message: Message) -> None:
        """Too much waits for acknowledgements: this one goes without."""
        if self._flight.room_for_unsure():
            self._put(replace(message, qos=0))
        else:
            self.dropped += 1

    def send(self, message: Message, connection: int) -> int | None:
        """Say it in that connection, in order; its number.

        None where the connection is over, or the broker has no room for it now.
        """
        with self._held():
            self._settle()
            over = connection != self.connections or not self.connected.is_set()
            if over or not self._flight.room_for_event():
                return None
            return self._put(message, event=True)

    def fits(self, message: Message) -> bool:
        """Whether the broker would take a message of this size."""
        return not self.max_bytes or message.size <= self.max_bytes

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Under our lock, and afterwards what waits is sent."""
        with self._lock:
            yield
        self._pump()

    def _pump(self) -> None:
        """Send what waits, as far as there is room. From any thread, even under paho's lock.

        Whoever holds our lock meanwhile does it when he lets go of it.
        """
        self._due = True
        while self._due and self._lock.acquire(blocking=False):
            try:
                self._due = False
                self._settle()
                while self.connected.is_set() and (message := self._flight.next()) is not None:
                    if self.fits(message):  # the limit may have been learned meanwhile
                        self._put(message)
                    else:
                        self.dropped += 1
            finally:
                self._lock.release()

    def _put(self, message: Message, event: bool = False) -> int | None:
        number = self._client.say(message)
        if number is not None:
            self._flight.add(number, message, event)
        elif not event:
            self.dropped += 1
        return number

    def _settle(self) -> None:
        for ack in self._flight.settled():
            if ack.refusal:
                self._denied.refuse(ack.message.topic, ack.refusal)
            else:
                self._denied.accept(ack.message.topic)

    @property
    def pending(self) -> int:
        """What is not acknowledged."""
        with self._held():
            self._settle()
            return len(self._flight) + self._flight.owed

    def _begin(self, room: int) -> None:
        """Under the lock: what was under way is sent anew, by us and in its order, not by paho."""
        self._client.drop_out_messages()
        self.renewals += 1
        self.connections += 1
        again = self._flight.connected(room)
        for message in self._retained.values():
            if message.topic not in self._denied.aside:
                self._flight.owe(message)
        for message in again:
            if message.topic not in self._retained and message.topic not in self._denied.aside:
                self._flight.owe(message)
        self.connected.set()
