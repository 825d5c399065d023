"""What a broker refuses, by topic: said once, and listed until it takes it. Thread-safe."""

import logging
import re
from threading import Lock

from edge.text import shown

log = logging.getLogger(__name__)

MOST = 100
"""Topics that are listed, at most."""
READER = re.compile(r"(?<=/command/replay/to/).+")
"""Each replay has a reader of its own: all of them are listed as one topic."""


class Denied:
    """Topics that the broker will not take from this client, or will not let it read."""

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self._topics: dict[str, str] = {}
        self._lock = Lock()
        self.aside: set[str] = set()
        """Topics on which nothing is published any more: it would end the connection."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Those that are refused now."""
        return tuple(sorted(self._topics))

    def refuse(self, topic: str, reason: str, verb: str = "publish on") -> None:
        """The broker refuses that topic."""
        topic = READER.sub("+", topic)
        with self._lock:
            known = topic in self._topics or len(self._topics) >= MOST
            if not known:
                self._topics[topic] = reason
        if not known:
            log.warning(
                "broker %s does not let this client %s %s (%s): see the broker's ACL",
                self._broker, verb, shown(topic), reason,
            )  # fmt: skip

    def accept(self, topic: str) -> None:
        """The broker takes that topic, or takes it again."""
        topic = READER.sub("+", topic)
        if topic not in self._topics:
            return
        with self._lock:
            self._topics.pop(topic, None)
        log.info("broker %s takes %s again", self._broker, shown(topic))
