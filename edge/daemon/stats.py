"""What a source did -> the figures of the status."""

import time
from collections import deque
from threading import Lock

from edge.feed.payloads import SourceStatus
from edge.sources import Source
from edge.types import Observation, ViewState

RECENT = 600
"""Observations that the latency's percentiles look back on."""


class SourceStats:
    """Counts of one source; written by its worker, read by the status."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._latencies_s: deque[float] = deque(maxlen=RECENT)
        self._first_s = 0.0
        self._last_s = 0.0
        self.frames = 0
        self.events = 0
        self.quiet = 0
        self.online = False
        self.paused = False
        self.asleep = False
        self.asleep_until: str | None = None
        self.view: ViewState | None = None
        self.reason = "starting"

    def observe(self, seen: Observation) -> None:
        """One more observation."""
        with self._lock:
            self._last_s = time.monotonic()
            self._first_s = self._first_s or self._last_s
            self.frames += 1
            self.events += len(seen.events)
            self.quiet += not seen.looked
            if seen.looked:
                self._latencies_s.append(seen.latency_s)

    @property
    def closed(self) -> bool:
        """Whether the source is not to be open now."""
        return self.paused or self.asleep

    @property
    def why(self) -> str:
        """Why it delivers no frames; empty where it does, or where it is paused."""
        if self.online or self.paused:
            return ""
        return f"asleep until {self.asleep_until or 'its time'}" if self.asleep else self.reason

    @property
    def fps(self) -> float:
        """Observations a second, from the first to the latest."""
        elapsed_s = self._last_s - self._first_s
        return (self.frames - 1) / elapsed_s if elapsed_s > 0 else 0.0

    def latency_ms(self, percent: int) -> float:
        """A percentile of the recent latencies, milliseconds; nearest rank."""
        with self._lock:
            ordered = sorted(self._latencies_s)
        if not ordered:
            return 0.0
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000

    def status(self, source: Source | None) -> SourceStatus:
        """The figures as the feed shows them."""
        return SourceStatus(
            state="paused" if self.paused else "online" if self.online else "offline",
            reason=self.why,
            live=source.live if source else True,
            frames=self.frames,
            fps=self.fps,
            dropped=source.dropped if source else 0,
            skipped=source.skipped if source else 0,
            events=self.events,
            quiet=self.quiet,
            view=self.view if self.online else None,
            asleep=self.asleep,
            asleep_until=self.asleep_until,
            latency_ms_p50=self.latency_ms(50),
            latency_ms_p95=self.latency_ms(95),
        )
