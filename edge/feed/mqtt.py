"""Messages to and from an MQTT broker: a connection that keeps itself up."""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread, Timer
from typing import Any

from edge.config import MqttConfig
from edge.errors import FatalError
from edge.feed import access, bounded_client
from edge.feed.access import REFUSALS, TOO_LARGE, UNANSWERED, UNSUPPORTED_VERSION
from edge.feed.denied import Denied
from edge.feed.endings import Endings
from edge.feed.flight import Flight
from edge.feed.log_rate import LogRate
from edge.feed.message import Message
from edge.feed.subscriptions import Subscriptions

log = logging.getLogger(__name__)

RECEIVED = 2_097_152
"""Bytes of a packet that the daemon reads, at most: commands and its own retained messages."""
ANSWER_S = 1.0
"""How long a broker may take to answer MQTT 5's way of naming that bound, where it was never seen
before: one that only speaks 3.1.1 may wait for the rest of what it takes for something else."""
ANY = 65_535
"""Receive Maximum of a broker that names none."""


class MqttClient:
    """A connection that keeps itself up. `with` means: trying to be connected.

    Retained messages are remembered, the latest of each topic, and said again whenever the
    broker is back: it may have lost them, and it has published our will meanwhile.
    """

    def __init__(
        self,
        config: MqttConfig,
        client_id: str,
        will: Message | None = None,
        received: int = RECEIVED,
    ) -> None:
        """`received`: bytes of a packet that is read, at most.

        Raises FatalError where a password, certificate or key file cannot be used.
        """
        self._config = config
        self._client_id = client_id
        self._will = will
        self._received_limit = received
        self.on_ack: Callable[[int, str], None] | None = None
        """Called under paho's lock with the number of a message, and why it was refused or ""."""
        self.address = access.address(config.broker)
        self.connected = Event()
        self.connections = 0
        """Counts them; within one of them, messages arrive in the order of `send`."""
        self.dropped = 0
        self.max_bytes = 0  # the largest message that the broker takes; 0: any
        self.renewals = 0
        """How often all that was under way was forgotten: `send` it again."""
        self._denied = Denied(str(self.address))
        self._subscriptions = Subscriptions(self._denied)
        self._endings = Endings(str(self.address), client_id, self._denied, self._subscriptions)
        self._log = LogRate(log)
        self._refusal = ""
        self._was_connected = False
        self._connected_s = 0.0
        self._away_logged = False
        self._unanswered = 0
        self._plain = False
        self._lock = Lock()
        self._due = False
        self._retained: dict[str, Message] = {}
        self._flight = Flight()
        self._client = self._make("3.1.1" if config.protocol == "3.1.1" else "5")

    def _make(self, protocol: str) -> bounded_client.BoundedClient:
        self.protocol = protocol
        client = bounded_client.make(
            self._config, self._client_id, self._will, protocol, self._received_limit
        )
        client.plain = self._plain
        client.on_socket_open = self._opened
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_publish = self._acknowledged
        client.on_subscribe = self._subscribed
        return client

    def __enter__(self) -> "MqttClient":
        self._start()
        return self

    def _start(self) -> None:
        self._client.begin(self.address, self._config.keepalive_s)

    def __exit__(self, *_: object) -> None:
        self._client.end()

    @property
    def window(self) -> int:
        """Messages of `send` that may wait for their acknowledgement."""
        return self._flight.window

    @property
    def denied(self) -> tuple[str, ...]:
        """Topics that the broker does not let this client publish on or read."""
        return self._denied.topics

    @property
    def refused(self) -> bool:
        """Whether the broker has refused this client for good."""
        return bool(self._refusal)

    def publish(self, message: Message) -> None:
        """Say it, as soon as the broker has room for it.

        While the broker is away only what is retained is kept, for its return.
        """
        with self._held():
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
                    self._put(message)
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

    def listen(self, topics: str, listener: Callable[[Message], None]) -> None:
        """What comes on such topics (`+` and `#` as in MQTT), QoS 1; called on paho's thread.

        It must not wait.
        """
        with self._held():
            self._subscriptions.add(topics, listener)
            if self.connected.is_set():
                self._subscribe([topics])

    def _subscribe(self, topics: list[str]) -> None:
        if topics:
            _, number = self._client.subscribe([(each, 1) for each in topics])
            if number is not None:
                self._subscriptions.asked(number, topics)

    def check(self) -> None:
        """Read again what was not read for a while.

        Raises FatalError where the broker refused this client before it ever was connected.
        """
        self._log.flush()
        if self._refusal and not self._was_connected:
            raise FatalError(f"mqtt.broker {self.address}: {self._refusal}")
        with self._held():
            over = self._subscriptions.reopened()
            if self.connected.is_set():
                self._subscribe(over)

    def restart(self, reason: str) -> None:
        """Cut a connection that does not do its work; the next one is made at once."""
        log.warning("broker %s: %s; connecting again", self.address, reason)
        try:
            # a second descriptor of the same connection: paho's own socket stays in its thread
            number = os.dup(self._client.socket().fileno())  # type: ignore[union-attr]
            with socket.socket(fileno=number) as line:
                line.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError, ValueError):
            log.debug("the connection was gone before it could be cut")

    @property
    def pending(self) -> int:
        """What is not acknowledged."""
        with self._held():
            self._settle()
            return len(self._flight) + self._flight.owed

    def flush(self, timeout_s: float) -> int:
        """Wait for the acknowledgements; returns how many are still missing."""
        until_s = time.monotonic() + timeout_s
        while (missing := self.pending) and time.monotonic() < until_s:
            self.check()
            time.sleep(0.005)
        return missing

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, props: Any) -> None:
        self._unanswered = 0
        if reason.is_failure:
            if reason.value == UNSUPPORTED_VERSION and self._config.protocol == "auto":
                self._fall_back()
                return
            self._refusal = REFUSALS.get(reason.value, "")
            log.warning("broker %s refuses the connection: %s", self.address, reason)
            return
        self._log.info("broker %s connected, MQTT %s", self.address, self.protocol)
        self._was_connected, self._refusal, self._away_logged = True, "", False
        self._connected_s = time.monotonic()
        limits = (self.max_bytes, getattr(props, "MaximumPacketSize", 0))
        self.max_bytes = min((limit for limit in limits if limit), default=0)
        with self._held():
            self._begin(getattr(props, "ReceiveMaximum", ANY))

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
        self._subscribe(self._subscriptions.wanted())

    def _opened(self, client: Any, _data: Any, line: Any) -> None:
        access.no_delay(line)
        if self.protocol == "5" and not self._plain and not self._was_connected:
            timer = Timer(ANSWER_S, self._not_answered, (client,))
            timer.daemon = True
            timer.start()

    def _not_answered(self, client: Any) -> None:
        if client is self._client and not self._was_connected and not self._refusal:
            self._plain = True
            self._unanswered = UNANSWERED - 1
            self._change_client("5")

    def _unreachable(self, _client: Any, _data: Any) -> None:
        self._endings.away()
        if not self._away_logged:
            why = str(sys.exc_info()[1])  # paho calls this from the handler of what went wrong
            log.warning("broker %s is not reachable (%s); trying again", self.address, why)
        self._away_logged = True

    def _disconnected(self, client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if client is not self._client:
            return
        if self.connected.is_set() and reason.is_failure:
            self._client.wait(self._lost(reason, time.monotonic() - self._connected_s))
        elif not self._was_connected:
            self._unanswered += 1
            auto = self._config.protocol == "auto" and self.protocol == "5"
            if self._unanswered >= UNANSWERED and auto and not self._refusal:
                self._fall_back()
        self.connected.clear()

    def _lost(self, reason: Any, lasted_s: float) -> float:
        """Returns how long to wait. Maybe under paho's lock: ours must not be waited for."""
        overlong, self._client.overlong = self._client.overlong, None
        if overlong is not None:
            return self._endings.flooded(*overlong, self._received_limit)
        wait_s = self._endings.lost(reason, lasted_s, self._flight.oldest)
        if reason.value in TOO_LARGE:  # what the broker sent, so this is not under paho's lock
            self._learn_limit()
        return wait_s

    def _learn_limit(self) -> None:
        """Brokers acknowledge in order: it was the first of those that wait."""
        self.connected.clear()
        with self._held():
            self._settle()
            oldest = self._flight.oldest
            if oldest is None:
                return
            self.max_bytes = oldest.size - 1
            log.error(
                "broker %s takes no %d bytes: larger messages are set aside",
                self.address, oldest.size,
            )  # fmt: skip
            self._retained = {t: m for t, m in self._retained.items() if self.fits(m)}
            self._flight.clear()
            self.renewals += 1
            self._change_client(self.protocol)

    def _fall_back(self) -> None:
        log.warning("broker %s speaks no MQTT 5: going on with 3.1.1", self.address)
        self._change_client("3.1.1")

    def _change_client(self, protocol: str) -> None:
        """A client of paho that knows nothing of what the old one was sending."""
        old, self._client = self._client, self._make(protocol)

        def change() -> None:
            old.end()
            self._start()

        Thread(target=change, name="mqtt anew", daemon=True).start()

    def _acknowledged(self, _c: Any, _data: Any, number: int, reason: Any, _props: Any) -> None:
        refusal = str(reason) if reason.is_failure else ""
        if self.on_ack is not None:
            self.on_ack(number, refusal)
        self._flight.acked(number, refusal)
        self._pump()

    def _subscribed(self, _c: Any, _data: Any, number: int, reasons: Any, _props: Any) -> None:
        with self._held():
            self._subscriptions.answered(number, reasons)

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        try:
            received = Message(message.topic, message.payload, message.qos, message.retain)
        except UnicodeDecodeError:
            self._log.warning("broker %s: a topic that is not UTF-8 is left out", self.address)
            return
        self._subscriptions.deliver(received)
