"""Who listens on which topics, what of that the broker allows, and what is not read for a while.

Used under the client's lock; only `deliver` and `shut` are called from paho's thread without it.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from edge.feed.bounded_client import matches
from edge.feed.denied import Denied
from edge.feed.log_rate import LogRate
from edge.feed.message import Message
from edge.text import shown

log = logging.getLogger(__name__)

SHUT_S = 60.0
"""How long topics are not read on which somebody keeps sending more than is read."""


class Subscriptions:
    """Listeners by topics (`+` and `#` as in MQTT)."""

    def __init__(self, denied: Denied) -> None:
        self._denied = denied
        self._log = LogRate(log)
        self._listeners: dict[str, Callable[[Message], None]] = {}
        self._shut: dict[str, float] = {}
        self._asked: dict[int, list[str]] = {}

    def add(self, topics: str, listener: Callable[[Message], None]) -> None:
        """From now on; one listener for the same topics."""
        self._listeners[topics] = listener

    def wanted(self) -> list[str]:
        """What is to be read on a new connection."""
        self._asked.clear()
        return [topics for topics in self._listeners if topics not in self._shut]

    def reopened(self) -> list[str]:
        """What is to be read again, after a while."""
        now_s = time.monotonic()
        over = [topics for topics, until_s in list(self._shut.items()) if now_s >= until_s]
        for topics in over:
            del self._shut[topics]
        return over

    def shut(self, topic: str) -> None:
        """Somebody keeps sending too much there: it is not read for a while."""
        for topics in list(self._listeners):
            if matches(topics, topic):
                self._shut[topics] = time.monotonic() + SHUT_S
                self._log.warning("%s is not read for %.0f s", topics, SHUT_S)

    def asked(self, number: int, topics: list[str]) -> None:
        """The broker was asked to send those."""
        self._asked[number] = topics

    def answered(self, number: int, reasons: Iterable[Any]) -> None:
        """The broker's answer, a reason for each."""
        for topics, reason in zip(self._asked.pop(number, []), reasons, strict=False):
            if reason.is_failure:
                self._denied.refuse(topics, str(reason), "read")
            else:
                self._denied.accept(topics)

    def deliver(self, message: Message) -> None:
        """To everybody who listens there; what one of them raises is logged."""
        for topics, listener in list(self._listeners.items()):
            if not matches(topics, message.topic):
                continue
            try:
                listener(message)
            except Exception as error:  # noqa: BLE001  no message may end the connection
                self._log.warning(
                    "%s: unexpected %s: %s", shown(message.topic, 80), type(error).__name__,
                    shown(str(error)),
                )  # fmt: skip
