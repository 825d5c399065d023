"""Messages to and from an MQTT broker. The only module that imports paho.

paho calls back from its network thread, and calls `on_publish` under a lock that `publish` takes:
what is called from there must take none of our locks.
"""

import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edge.config import MqttConfig
from edge.errors import FatalError
from edge.feed import access
from edge.feed.access import REFUSALS, TOO_LARGE, UNANSWERED, UNSUPPORTED_VERSION
from edge.feed.message import Message

log = logging.getLogger(__name__)
paho_log = logging.getLogger(f"{__name__}.paho")
paho_log.addFilter(lambda record: "exception" in str(record.msg))
paho_log.setLevel(logging.WARNING)

RECONNECT_S = (0.25, 30)
"""The first wait before connecting again, and the longest; doubled in between."""
IN_FLIGHT = 100
"""Events sent and not yet acknowledged, at most; half of what a broker allows, if that is less."""


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
    ) -> None:
        """Raises FatalError where a password, certificate or key file cannot be used."""
        self._config = config
        self._client_id = client_id
        self._will = will
        self.on_ack: Callable[[int, str], None] | None = None
        """Called under paho's lock with the number of a message, and why it was refused or ""."""
        self.address = access.address(config.broker)
        self.connected = Event()
        self.connections = 0
        """Counts them; within one of them, messages arrive in the order of `send`."""
        self.dropped = 0
        self.window = IN_FLIGHT  # messages of `send` that may wait for their acknowledgement
        self.max_bytes = 0  # the largest message that the broker takes; 0: any
        self.renewals = 0
        """How often all that was under way was forgotten: `send` it again."""
        self._listeners: dict[str, Callable[[Message], None]] = {}
        self._refusal = ""
        self._was_connected = False
        self._away_logged = False
        self._unanswered = 0
        self._lock = Lock()
        self._retained: dict[str, Message] = {}
        self._waiting: deque[tuple[paho.MQTTMessageInfo, int]] = deque()
        self._client = self._make("3.1.1" if config.protocol == "3.1.1" else "5")

    def _make(self, protocol: str) -> paho.Client:
        config = self._config
        self.protocol = protocol
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            protocol=paho.MQTTv5 if protocol == "5" else paho.MQTTv311,
            transport="websockets" if self.address.websocket else "tcp",
        )
        client.max_queued_messages_set(10 * IN_FLIGHT)
        client.max_inflight_messages_set(0)  # `send` keeps the window; paho's queue loses the order
        client.suppress_exceptions = True  # they would end paho's thread; they are logged
        client.enable_logger(paho_log)
        client.reconnect_delay_set(*RECONNECT_S)  # type: ignore[arg-type]
        if config.username:
            client.username_pw_set(config.username, access.password(config))
        if self.address.tls:
            client.tls_set_context(access.tls(config))
        if self.address.websocket:
            client.ws_set_options(path=self.address.path)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, self._will.qos, self._will.retain)
        client.on_socket_open = access.no_delay
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.on_publish = self._acknowledged
        return client

    def __enter__(self) -> "MqttClient":
        self._start()
        return self

    def _start(self) -> None:
        keepalive = self._config.keepalive_s
        self._client.connect_async(self.address.host, self.address.port, keepalive=keepalive)
        self._client.loop_start()

    def __exit__(self, *_: object) -> None:
        _end(self._client)

    def publish(self, message: Message, first: bool = False) -> None:
        """Say it now. While the broker is away only what is retained is kept, for its return.

        `first`: only if nothing is retained on that topic yet that we said.
        """
        with self._lock:
            if first and message.topic in self._retained:
                return
            if not self.fits(message):
                log.warning(
                    "broker %s takes no %d bytes: %s", self.address, message.size, message.topic
                )
                self.dropped += 1
                return
            if message.retain:
                if message.payload:
                    self._retained[message.topic] = message
                else:
                    self._retained.pop(message.topic, None)
            if self.connected.is_set():
                self._send(message)
            elif not message.retain:
                self.dropped += 1

    def send(self, message: Message, connection: int) -> int | None:
        """Say it in that connection, in order; its number, None where the connection is over."""
        with self._lock:
            if connection != self.connections or not self.connected.is_set():
                return None
            info = self._client.publish(message.topic, message.payload, message.qos)
            if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                return None
            self._wait_for(info, message)
            return info.mid

    def fits(self, message: Message) -> bool:
        """Whether the broker would take a message of this size."""
        return not self.max_bytes or message.size <= self.max_bytes

    def _send(self, message: Message) -> None:
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        if message.qos == 0:
            return
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            self.dropped += 1
            return
        self._wait_for(info, message)

    def _wait_for(self, info: paho.MQTTMessageInfo, message: Message) -> None:
        info.rc = MQTTErrorCode.MQTT_ERR_SUCCESS  # without a connection paho keeps it: no failure
        self._waiting.append((info, message.size))
        while self._waiting and self._waiting[0][0].is_published():
            self._waiting.popleft()

    def listen(self, topics: str, listener: Callable[[Message], None]) -> None:
        """What comes on such topics (`+` and `#` as in MQTT), QoS 1; called on paho's thread.

        It must not wait.
        """
        with self._lock:
            self._listeners[topics] = listener
            if self.connected.is_set():
                self._client.subscribe(topics, 1)

    def check(self) -> None:
        """Raises FatalError where the broker refused this client before it ever was connected."""
        if self._refusal and not self._was_connected:
            raise FatalError(f"mqtt.broker {self.address}: {self._refusal}")

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
        with self._lock:
            return sum(not info.is_published() for info, _ in self._waiting)

    def flush(self, timeout_s: float) -> int:
        """Wait for the acknowledgements; returns how many are still missing."""
        until_s = time.monotonic() + timeout_s
        while self.pending and time.monotonic() < until_s:
            self.check()
            time.sleep(0.005)
        return self.pending

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, props: Any) -> None:
        self._unanswered = 0
        if reason.is_failure:
            if reason.value == UNSUPPORTED_VERSION and self._config.protocol == "auto":
                self._fall_back()
                return
            self._refusal = REFUSALS.get(reason.value, "")
            log.warning("broker %s refuses the connection: %s", self.address, reason)
            return
        log.info("broker %s connected, MQTT %s", self.address, self.protocol)
        self._was_connected, self._refusal, self._away_logged = True, "", False
        self.window = max(1, min(IN_FLIGHT, getattr(props, "ReceiveMaximum", 2 * IN_FLIGHT) // 2))
        limits = (self.max_bytes, getattr(props, "MaximumPacketSize", 0))
        self.max_bytes = min((limit for limit in limits if limit), default=0)
        with self._lock:
            self.connections += 1
            for message in self._retained.values():
                self._send(message)
            self.connected.set()
            if self._listeners:
                self._client.subscribe([(topics, 1) for topics in self._listeners])

    def _unreachable(self, _client: Any, _data: Any) -> None:
        if not self._away_logged:
            why = str(sys.exc_info()[1])  # paho calls this from the handler of what went wrong
            log.warning("broker %s is not reachable (%s); trying again", self.address, why)
        self._away_logged = True

    def _disconnected(self, client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if client is not self._client:
            return
        if self.connected.is_set() and reason.is_failure:
            log.warning("broker %s lost: %s; trying again", self.address, reason)
            if reason.value in TOO_LARGE:
                self._learn_limit()
        elif not self._was_connected:
            self._unanswered += 1
            auto = self._config.protocol == "auto" and self.protocol == "5"
            if self._unanswered >= UNANSWERED and auto and not self._refusal:
                self._fall_back()
        self.connected.clear()

    def _learn_limit(self) -> None:
        """Brokers acknowledge in order: it was the first of those that wait."""
        self.connected.clear()
        with self._lock:
            sizes = (size for info, size in self._waiting if not info.is_published())
            size = next(sizes, 0)
            if not size:
                return
            self.max_bytes = size - 1
            log.error(
                "broker %s takes no %d bytes: larger messages are set aside", self.address, size
            )
            self._retained = {t: m for t, m in self._retained.items() if self.fits(m)}
            self._waiting.clear()
            self.renewals += 1
            self._change_client(self.protocol)

    def _fall_back(self) -> None:
        log.warning("broker %s speaks no MQTT 5: going on with 3.1.1", self.address)
        self._change_client("3.1.1")

    def _change_client(self, protocol: str) -> None:
        """A client of paho that knows nothing of what the old one was sending."""
        old, self._client = self._client, self._make(protocol)

        def change() -> None:
            _end(old)
            self._start()

        Thread(target=change, name="mqtt anew", daemon=True).start()

    def _acknowledged(self, _c: Any, _data: Any, number: int, reason: Any, _props: Any) -> None:
        if self.on_ack is not None:
            self.on_ack(number, str(reason) if reason.is_failure else "")

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        received = Message(message.topic, message.payload, message.qos, message.retain)
        for topics, listener in list(self._listeners.items()):
            if paho.topic_matches_sub(topics, message.topic):
                listener(received)

    @property
    def refused(self) -> bool:
        """Whether the broker has refused this client for good."""
        return bool(self._refusal)


def _end(client: paho.Client) -> None:
    """Without callbacks nothing refers to it in a circle, and its sockets close at once."""
    client.disconnect()
    client.loop_stop()
    client.on_connect = client.on_connect_fail = client.on_disconnect = None
    client.on_message = client.on_publish = None
