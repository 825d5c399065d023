"""paho's MQTT client, with a bound on what it reads. The only module that imports paho.

paho calls back from its network thread, and calls `on_publish` under a lock that `publish` takes:
what is called from there must wait for none of our locks.
"""

import logging
import ssl

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.config import MqttConfig
from edge.feed import access
from edge.feed.access import Address
from edge.feed.message import Message

log = logging.getLogger(__name__)
log.addFilter(lambda record: "exception" in str(record.msg))
log.setLevel(logging.WARNING)

RECONNECT_S = (0.25, 30)
"""The first wait before connecting again, and the longest; doubled in between."""
QUEUED = 1000
"""Messages that paho itself holds, at most."""
HEAD = 1024
"""Bytes of a packet that is too long, to see its topic."""

ANY_VERSION = {"5": paho.MQTTv5, "3.1.1": paho.MQTTv311}


class BoundedClient(paho.Client):
    """Ends the connection before a packet over `limit` bytes is in memory.

    A broker that speaks MQTT 5 is asked not to send such a packet in the first place.
    """

    limit = 0
    """Bytes; 0: any."""
    plain = False
    """Whether the broker is not asked to keep that limit."""
    overlong: tuple[int, str] | None = None
    """The size and the topic of the packet that ended the connection."""
    alert = ""
    """TLS's alert with which the broker ended the connection, as OpenSSL calls it."""

    def _sock_recv(self, bufsize: int) -> bytes:
        # paho asks for all that is left of a packet: first for one byte, then for its whole rest
        if not self.limit or bufsize <= self.limit:
            try:
                return super()._sock_recv(bufsize)
            except ssl.SSLError as error:
                self.alert = error.reason or ""
                raise
        head = super()._sock_recv(HEAD)
        topic = head[2 : 2 + int.from_bytes(head[:2], "big")].decode("utf-8", "replace")
        self.overlong = bufsize, topic
        raise ConnectionAbortedError("a packet is too long")

    def say(self, message: Message) -> int | None:
        """Send it; its number, None where there is no room for it."""
        info = self.publish(message.topic, message.payload, message.qos, message.retain)
        # without a connection paho keeps it: no failure
        kept = info.rc in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)
        return info.mid if kept else None

    def wait(self, seconds: float) -> None:
        """How long to wait before the next connection."""
        first, longest = seconds, max(seconds, RECONNECT_S[1])
        self.reconnect_delay_set(first, longest)  # type: ignore[arg-type]

    def begin(self, address: Address, keepalive_s: int) -> None:
        """Connect, and keep connecting, from now on."""
        asked = None
        if self.limit and not self.plain and self.protocol == paho.MQTTv5:
            asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            asked.MaximumPacketSize = self.limit
        self.connect_async(address.host, address.port, keepalive=keepalive_s, properties=asked)
        self.loop_start()

    @property
    def runs(self) -> bool:
        """Whether its network thread lives."""
        return self._thread is not None

    def end(self) -> None:
        """Without callbacks nothing refers to it in a circle, and its sockets close at once."""
        self.disconnect()
        self.loop_stop()
        self.on_connect = self.on_connect_fail = self.on_disconnect = None
        self.on_message = self.on_publish = self.on_subscribe = self.on_socket_open = None


def make(
    config: MqttConfig, client_id: str, will: Message | None, protocol: str, limit: int
) -> BoundedClient:
    """A client that is not connected yet. Raises FatalError for a file that cannot be used."""
    address = access.address(config.broker)
    client = BoundedClient(
        CallbackAPIVersion.VERSION2,
        client_id,
        protocol=ANY_VERSION[protocol],
        transport="websockets" if address.websocket else "tcp",
    )
    client.limit = limit
    client.max_queued_messages_set(QUEUED)
    client.max_inflight_messages_set(0)  # we keep the window; paho's queue loses the order
    client.suppress_exceptions = True  # they would end paho's thread; they are logged
    client.enable_logger(log)
    client.wait(RECONNECT_S[0])
    if config.username:
        client.username_pw_set(config.username, access.password(config))
    if address.tls:
        client.tls_set_context(access.tls(config))
    if address.websocket:
        client.ws_set_options(path=address.path)
    if will is not None:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    return client


def matches(topics: str, topic: str) -> bool:
    """Whether a topic is one of those (`+` and `#` as in MQTT)."""
    return bool(paho.topic_matches_sub(topics, topic))
