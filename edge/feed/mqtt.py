"""Messages to and from an MQTT broker: a connection that keeps itself up."""

import logging
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from threading import Thread, Timer
from typing import Any

from edge.config import MqttConfig
from edge.errors import FatalError
from edge.feed import access, bounded_client
from edge.feed.access import REFUSALS, TOO_LARGE, UNANSWERED, UNSUPPORTED_VERSION
from edge.feed.endings import Endings
from edge.feed.message import Message
from edge.feed.sending import Sender
from edge.feed.subscriptions import Subscriptions

log = logging.getLogger(__name__)

RECEIVED = 2_097_152
"""Bytes of a packet that the daemon reads, at most: commands and its own retained messages."""
ANSWER_S = 2.0
"""How long a broker may take to answer to MQTT 5's way of naming that bound, the first time: one
that only speaks 3.1.1 may wait for the rest of what it takes for something else."""
REVIVE_S = 3.0
"""How long paho's thread may be gone before it is started again."""
ANY = 65_535
"""Receive Maximum of a broker that names none."""


class MqttClient(Sender):
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
        super().__init__(access.address(config.broker))
        self._subscriptions = Subscriptions(self._denied)
        self._endings = Endings(str(self.address), client_id, self._denied, self._subscriptions)
        self._refusal = ""
        self._was_connected = False
        self._connected_s = 0.0
        self._away_logged = False
        self._unanswered = 0
        self._plain = False
        self._alive_s = time.monotonic()
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
    def denied(self) -> tuple[str, ...]:
        """Topics that the broker does not let this client publish on or read."""
        return self._denied.topics

    @property
    def refused(self) -> bool:
        """Whether the broker has refused this client for good."""
        return bool(self._refusal)

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
        self._revive()
        if self._refusal and not self._was_connected:
            raise FatalError(f"mqtt.broker {self.address}: {self._refusal}")
        with self._held():
            over = self._subscriptions.reopened()
            if self.connected.is_set():
                self._subscribe(over)

    def _revive(self) -> None:
        """Whatever ended paho's thread, which was said when it died, another client goes on."""
        now_s = time.monotonic()
        if self._client.runs:
            self._alive_s = now_s
        elif now_s - self._alive_s >= REVIVE_S:
            self._alive_s = now_s
            self.connected.clear()
            try:
                self._change_client(self.protocol)
            except FatalError as error:
                log.error("%s; trying again", error)

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
        if self._plain and self.protocol == "5":  # it speaks MQTT 5, and was only slow
            self._plain = False
            self._change_client("5")
            return
        limits = (self.max_bytes, getattr(props, "MaximumPacketSize", 0))
        self.max_bytes = min((limit for limit in limits if limit), default=0)
        with self._held():
            self._begin(getattr(props, "ReceiveMaximum", ANY))
            self._subscribe(self._subscriptions.wanted())

    def _opened(self, client: Any, _data: Any, line: Any) -> None:
        access.no_delay(line)
        if self.protocol == "5" and not self._plain and not self._was_connected:
            timer = Timer(ANSWER_S, self._not_answered, (client, line))
            timer.daemon = True
            timer.start()

    def _not_answered(self, client: Any, line: Any) -> None:
        """Ask again without naming a bound."""
        try:
            answered = bool(select.select([line], [], [], 0)[0])  # and we had no time to look
        except (OSError, ValueError):
            answered = True
        known = client is not self._client or self._was_connected or self._refusal
        if not answered and not known:
            log.debug("broker %s: no answer to MQTT 5 with properties", self.address)
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
        elif client.alert == access.NO_CERTIFICATE:
            self._refusal = access.CERTIFICATE
        elif client.alert:
            self._log.warning("broker %s ends the TLS connection: %s", self.address, client.alert)
        elif not self.connected.is_set():
            self._unanswered += 1
            auto = self._config.protocol == "auto" and self.protocol == "5"
            new = not self._was_connected and not self._refusal
            if self._unanswered >= UNANSWERED and auto and new:
                self._fall_back()
            elif self._unanswered == UNANSWERED + 1:
                log.warning(
                    "broker %s ends each connection without an answer: is this its MQTT port, and "
                    "does it want TLS (mqtts://) or not? Trying again", self.address,
                )  # fmt: skip
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
