"""What goes over MQTT: a topic and a payload."""

from dataclasses import dataclass

ROOT = "hedgerow"
"""The first part of every topic of the feed; the second is the device's id."""
PACKET_HEADER = 16
"""What MQTT adds to topic and payload at most, bytes."""


def replayed_to(topic: str, reader: str) -> str:
    """A topic of a device's event -> where that device sends it to one reader who asked again."""
    device = topic.split("/")[1]
    return f"{ROOT}/{device}/command/replay/to/{reader}"


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message. QoS 0 or 1."""

    topic: str
    payload: str | bytes
    qos: int = 1
    retain: bool = False

    @property
    def text(self) -> str:
        """The payload as text; what is no UTF-8 is replaced."""
        if isinstance(self.payload, str):
            return self.payload
        return self.payload.decode("utf-8", "replace")

    @property
    def raw(self) -> bytes:
        """The payload's bytes."""
        return self.payload.encode() if isinstance(self.payload, str) else self.payload

    @property
    def size(self) -> int:
        """Bytes on the line, at most."""
        return len(self.topic.encode()) + len(self.raw) + PACKET_HEADER
