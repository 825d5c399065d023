"""A broker -> the feed's messages, as any reader of the feed receives them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue

from edge.config import MqttConfig
from edge.errors import TransientError
from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient

RECEIVED = 16_777_216
"""Bytes of a message that is read, at most: a picture of the largest cameras."""
BACKLOG = 10_000
"""Messages held for a reader that is slower than the feed; more are counted as missed."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of the feed."""

    device: str
    source: str
    """Empty for what speaks of the whole device."""
    kind: str
    """The last part of the topic: event, state, observation, status, availability."""
    payload: str
    received_unix_s: float
    retained: bool


class Reader:
    """All messages of one device, or of all with `+`. `with` means: connected and subscribed."""

    def __init__(self, config: MqttConfig, device: str = "+") -> None:
        self._device = device
        self._queue: Queue[Received] = Queue(BACKLOG)
        self.missed = 0
        self._client = MqttClient(config, client_id="", received=RECEIVED)
        self._client.listen(f"{ROOT}/{device}/#", self._receive)

    def __enter__(self) -> "Reader":
        """Raises TransientError where no broker answers, FatalError where it refuses us."""
        self._client.__enter__()
        self._answered()
        if not self._client.connected.is_set():
            self._client.__exit__()
            self._client.check()
            raise TransientError(f"broker {self._client.address} is not reachable")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def messages(self, timeout_s: float | None = None) -> Iterator[Received]:
        """Messages as they come; ends when none came for `timeout_s` (None: never)."""
        while True:
            try:
                yield self._queue.get(timeout=timeout_s)
            except Empty:
                return

    def replay(self, since: int) -> None:
        """Ask the device for its events from that seq on; they come marked as replayed."""
        topic = f"{ROOT}/{self._device}/command/replay"
        self._client.publish(Message(topic, f'{{"from_seq": {max(1, since)}}}'))

    def _answered(self, within_s: float = 5.0) -> bool:
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s and not self._client.refused:
            if self._client.connected.wait(0.02):
                return True
        return False

    def _receive(self, message: Message) -> None:
        parts = message.topic.split("/")
        if len(parts) not in (3, 4):
            return
        source = parts[2] if len(parts) == 4 else ""
        received = Received(parts[1], source, parts[-1], message.text, time.time(), message.retain)
        try:
            self._queue.put_nowait(received)
        except Full:
            self.missed += 1
