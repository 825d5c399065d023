"""How a connection ended -> what to say, what to leave out, and how long to wait."""

import logging
import time
from typing import Any

from edge.feed.access import TAKEN_OVER
from edge.feed.bounded_client import RECONNECT_S
from edge.feed.denied import Denied
from edge.feed.log_rate import LogRate
from edge.feed.message import Message
from edge.feed.standoff import Standoff
from edge.feed.subscriptions import SHUT_S, Subscriptions
from edge.text import shown

log = logging.getLogger(__name__)


class Endings:
    """The ends of one client's connections. Called on paho's thread, without a lock."""

    def __init__(self, broker: str, client_id: str, denied: Denied, heard: Subscriptions) -> None:
        self._broker = broker
        self._client_id = client_id
        self._denied = denied
        self._heard = heard
        self._standoff = Standoff()
        self._log = LogRate(log)
        self._flooded_s = 0.0

    def away(self) -> None:
        """The broker cannot be reached."""
        self._standoff.calm()

    def lost(self, reason: Any, lasted_s: float, oldest: Message | None) -> float:
        """`oldest`: the first message without its acknowledgement. Returns how long to wait."""
        if reason.value == TAKEN_OVER:
            return self._quarrel(lasted_s, "")
        self._log.warning("broker %s lost: %s; trying again", self._broker, reason)
        if self._standoff.sudden(lasted_s, oldest.topic if oldest else ""):
            if oldest is None:
                return self._quarrel(lasted_s, "perhaps ")
            # without MQTT 5, to end the connection is the one way to refuse a message
            self._denied.refuse(oldest.topic, "it ends the connection each time")
            if oldest.retain:
                self._denied.aside.add(oldest.topic)
        return RECONNECT_S[0]

    def flooded(self, size: int, topic: str, limit: int) -> float:
        """A packet was too long; returns how long to wait.

        Where that goes on, the topics that brought it are not read for a while.
        """
        now_s = time.monotonic()
        again, self._flooded_s = now_s - self._flooded_s < SHUT_S, now_s
        self._log.warning(
            "broker %s sends %d bytes on %s: more than %d are not read; connecting again",
            self._broker, size, shown(topic, 80), limit,
        )  # fmt: skip
        if again:
            self._heard.shut(topic)
        return RECONNECT_S[0]

    def _quarrel(self, lasted_s: float, perhaps: str) -> float:
        wait_s = self._standoff.taken(lasted_s)
        if self._standoff.quarrels == 1:
            log.error(
                "broker %s: %sanother client uses the client id %s: give every device a `device` "
                "of its own in edge.toml; connecting again, each time after a longer wait",
                self._broker, perhaps, self._client_id,
            )  # fmt: skip
        return wait_s
