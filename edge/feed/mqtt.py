"""Messages to and from an MQTT broker. The only module that imports paho.

paho calls back from its network thread; `on_publish`, which it calls under the lock that
`publish` takes, is not used.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edge.config import MqttConfig
from edge.errors import FatalError

log = logging.getLogger(__name__)

QUEUE_MESSAGES = 10_000
"""What is held in memory while the broker is away; more is dropped and counted."""
UNSUPPORTED_VERSION = 132
REFUSALS = {
    UNSUPPORTED_VERSION: 'it speaks no MQTT 5: set mqtt.protocol = "3.1.1"',
    133: "it refuses the client id",
    134: "it refuses the user name or password",
    135: "it refuses the user name or password",
    138: "it has banned this client",
}
"""CONNACK reason codes that no retry mends: MQTT 5.0, section 3.2.2.2."""


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message. QoS 0 or 1."""

    topic: str
    payload: str
    qos: int = 1
    retain: bool = False


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
        on_connect: Callable[[], None] | None = None,
        on_message: Callable[[Message], None] | None = None,
    ) -> None:
        """Raises FatalError where the password file cannot be read."""
        self._config = config
        self._on_connect = on_connect
        self._on_message = on_message
        self.address = "mqtt://{}:{}".format(*host_and_port(config.broker))
        version = paho.MQTTv311 if config.protocol == "3.1.1" else paho.MQTTv5
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version)
        self._client.max_queued_messages_set(QUEUE_MESSAGES)
        self._client.reconnect_delay_set(1, 30)
        if config.username:
            self._client.username_pw_set(config.username, _password(config))
        if will is not None:
            self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._unreachable
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received
        self.connected = Event()
        self.dropped = 0
        self._refusal = ""
        self._was_connected = False
        self._away_logged = False
        self._lock = Lock()
        self._retained: dict[str, Message] = {}
        self._waiting: deque[Any] = deque()

    def __enter__(self) -> "MqttClient":
        self._client.connect_async(
            *host_and_port(self._config.broker), keepalive=self._config.keepalive_s
        )
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, message: Message) -> None:
        """Queue a message. Raises FatalError once the broker has refused this client for good."""
        self.check()
        with self._lock:
            if message.retain:
                self._retained[message.topic] = message
                if not self.connected.is_set():
                    return
            self._send(message)

    def _send(self, message: Message) -> None:
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        if message.qos == 0:
            return
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            self.dropped += 1
            return
        info.rc = (
            MQTTErrorCode.MQTT_ERR_SUCCESS
        )  # queued until there is a connection, which is no failure at QoS 1
        self._waiting.append(info)
        while self._waiting and self._waiting[0].is_published():
            self._waiting.popleft()

    def subscribe(self, topics: list[str]) -> None:
        """QoS 1 subscriptions; call it from `on_connect`, so that they return with the broker."""
        self._client.subscribe([(topic, 1) for topic in topics])

    def check(self) -> None:
        """Raises FatalError where the broker refused this client before it ever was connected."""
        if self._refusal and not self._was_connected:
            raise FatalError(f"mqtt.broker {self.address}: {self._refusal}")

    @property
    def pending(self) -> int:
        """Messages that the broker has not acknowledged."""
        with self._lock:
            return sum(not info.is_published() for info in self._waiting)

    def flush(self, timeout_s: float) -> int:
        """Wait for the acknowledgements; returns how many are still missing."""
        until_s = time.monotonic() + timeout_s
        while self.pending and time.monotonic() < until_s:
            self.check()
            time.sleep(0.005)
        return self.pending

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if reason.is_failure:
            self._refusal = REFUSALS.get(reason.value, "")
            log.warning("broker %s refuses the connection: %s", self.address, reason)
            return
        log.info("broker %s connected", self.address)
        self._was_connected = True
        self._away_logged = False
        with self._lock:
            for message in self._retained.values():
                self._send(message)
            self.connected.set()
        if self._on_connect is not None:
            self._on_connect()

    def _unreachable(self, _client: Any, _data: Any) -> None:
        if not self._away_logged:
            log.warning("broker %s is not reachable; trying again", self.address)
        self._away_logged = True

    def _disconnected(self, _c: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if self.connected.is_set() and reason.is_failure:
            log.warning("broker %s lost: %s; trying again", self.address, reason)
        self.connected.clear()

    def _received(self, _client: Any, _data: Any, message: Any) -> None:
        if self._on_message is not None:
            text = message.payload.decode("utf-8", "replace")
            self._on_message(Message(message.topic, text, message.qos, message.retain))

    @property
    def refused(self) -> bool:
        """Whether the broker has refused this client for good."""
        return bool(self._refusal)

    @property
    def refused_version(self) -> bool:
        """Whether the broker speaks only an older MQTT."""
        return self._refusal == REFUSALS[UNSUPPORTED_VERSION]


def host_and_port(broker: str) -> tuple[str, int]:
    """`mqtt://HOST:PORT` or `embedded:PORT` -> where to connect."""
    if broker.startswith("embedded"):
        return "127.0.0.1", int(broker.partition(":")[2] or 1883)
    parts = urlsplit(broker)
    return parts.hostname or "127.0.0.1", parts.port or 1883


def _password(config: MqttConfig) -> str | None:
    if config.password_file is None:
        return None
    try:
        return config.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise FatalError(f"mqtt.password_file: {config.password_file}: {reason}") from None
