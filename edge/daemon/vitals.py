"""One run of the daemon, looked after from its loop: watchdog, heat, status line."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from edge.config import Config
from edge.daemon.pulse import Stages
from edge.feed.payloads import StatusPayload
from edge.health import thermal
from edge.health.pace import Pace
from edge.health.systemd import Systemd
from edge.health.thermal import Heat

log = logging.getLogger(__name__)

HEAT_S = 5.0
"""How often the temperature is read."""
BUSY_S = 180.0
"""A delegate may take 120 s to open; what takes longer than this is frozen."""


class Vitals:
    """`step` often; `tell` with every status."""

    def __init__(self, config: Config, stages: Stages, paces: Callable[[], list[Pace]]) -> None:
        self.follow(config)
        self._stages = stages
        self._paces = paces
        self._systemd = Systemd()
        self._frozen = False
        self._heat_due_s = float("-inf")
        self.heat = Heat()
        self.share = 1.0
        """Of the frame rate, that the heat leaves."""

    def follow(self, config: Config) -> None:
        """From now on."""
        self._health = config.health
        self._thermal = config.thermal

    def ready(self) -> None:
        """Model and delegate are verified, the sources are started."""
        self._systemd.ready()

    def step(self, now_s: float) -> None:
        """Feed systemd's watchdog while every stage moves; look at the temperature."""
        frozen = self._stages.frozen(now_s, self._health.stall_s)
        if not frozen:
            self._systemd.feed(now_s)
        elif not self._frozen:
            reason = f"frozen: {' and '.join(frozen)} did not move for {self._health.stall_s:g} s"
            log.error(reason)
            self._systemd.give_up(reason)
        self._frozen = bool(frozen)
        if now_s >= self._heat_due_s:
            self._heat_due_s = now_s + HEAT_S
            self._take_care(thermal.read())

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While the loop itself is away for long on purpose: a new model is verified."""
        done = Event()
        until_s = time.monotonic() + BUSY_S

        def feed() -> None:
            while not done.wait(1.0) and time.monotonic() < until_s:
                self._systemd.feed(time.monotonic())

        thread = Thread(target=feed, name="watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def tell(self, status: StatusPayload, connected: bool | None) -> None:
        """The status line; `connected` is None where there is no broker to speak of."""
        if not self._frozen:
            self._systemd.status(status_line(status, connected))

    def _take_care(self, heat: Heat) -> None:
        share = thermal.share(heat, self._thermal)
        if (share < 1.0) != (self.share < 1.0):
            word = f"slowed to {share:.0%} of" if share < 1.0 else "again at"
            log.warning("%s the frame rate, %s", word, _how_hot(heat))
        if heat.flags != self.heat.flags:
            log.warning("the firmware says: %s", ", ".join(heat.flags) or "all is well again")
        self.heat, self.share = heat, share
        for pace in self._paces():
            pace.share = share


def status_line(status: StatusPayload, connected: bool | None) -> str:
    """What `systemctl status` shows in one line."""
    parts = []
    for name, source in status.sources.items():
        why = f": {source.reason}" if source.reason else ""
        how = f"{source.fps:.1f} frames/s" if source.state == "online" else f"{source.state}{why}"
        parts.append(f"{name} {how}")
    waiting = status.outbox.depth if status.outbox else 0
    if connected is not None:
        broker = "broker connected" if connected else "broker away"
        parts.append(broker + (f", {waiting} events wait" if waiting else ""))
    if status.outbox is not None and not status.outbox.durable:
        parts.append(f"events are not durable: {status.outbox.reason}")
    if status.delegates.loaded != status.delegates.asked[0]:
        parts.append(f"on {status.delegates.loaded} instead of {status.delegates.asked[0]}")
    if status.frame_share < 1.0:
        parts.append(f"hot: {status.frame_share:.0%} of the frame rate")
    parts += [flag.replace("_", " ") for flag in status.throttled]
    return "; ".join(parts).replace("\n", " ")


def _how_hot(heat: Heat) -> str:
    return (
        "the firmware slowed down" if heat.temperature_c is None else f"{heat.temperature_c:.0f} °C"
    )
