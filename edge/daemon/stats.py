"""What a source did -> the figures of the status."""

import math
import time
from collections import deque
from threading import Lock
from typing import NamedTuple

from edge.feed.payloads import SourceStatus
from edge.sources import Source
from edge.types import Observation, ViewState

RECENT_S = 60.0
"""What the frame rate and the percentiles look back on."""


class _Seen(NamedTuple):
    at_s: float
    latency_s: float | None
    """None where the frame was not inferred."""


class SourceStats:
    """Counts of one source; written by its worker, read by the status."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._recent: deque[_Seen] = deque()
        self._dropped = 0
        self._skipped = 0
        self._settled: Source | None = None
        self.frames = 0
        self.events = 0
        self.quiet = 0
        self.live = True
        """Of a recording, the figures are those of its own last minute."""
        self.online = False
        self.paused = False
        self.asleep = False
        self.asleep_until: str | None = None
        self.view: ViewState | None = None
        self.reason = "starting"

    def observe(self, seen: Observation) -> None:
        """One more observation."""
        with self._lock:
            now_s = time.monotonic()
            self.frames += 1
            self.events += len(seen.events)
            self.quiet += not seen.looked
            self._recent.append(_Seen(now_s, seen.latency_s if seen.looked else None))
            self._forget(now_s)

    def settle(self, source: Source) -> None:
        """That source is let go, to be opened anew: its counts stay."""
        with self._lock:
            self._dropped += source.dropped
            self._skipped += source.skipped
            self._settled = source

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
        """Observations a second in the last minute."""
        recent = self._last_minute()
        if len(recent) < 2:
            return 0.0
        elapsed_s = recent[-1].at_s - recent[0].at_s
        return (len(recent) - 1) / elapsed_s if elapsed_s > 0 else 0.0

    def latency_ms(self, percent: int) -> float:
        """A percentile of the last minute's latencies, milliseconds; nearest rank."""
        ordered = sorted(s.latency_s for s in self._last_minute() if s.latency_s is not None)
        if not ordered:
            return 0.0
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] * 1000

    def status(self, source: Source | None) -> SourceStatus:
        """The figures as the feed shows them."""
        dropped, skipped = self._counts(source)
        still = self.closed or (self.live and not self.online)
        return SourceStatus(
            state="paused" if self.paused else "online" if self.online else "offline",
            reason=self.why,
            live=self.live,
            frames=self.frames,
            fps=0.0 if still else self.fps,
            dropped=dropped,
            skipped=skipped,
            events=self.events,
            quiet=self.quiet,
            view=self.view if self.online else None,
            asleep=self.asleep,
            asleep_until=self.asleep_until,
            latency_ms_p50=self.latency_ms(50),
            latency_ms_p95=self.latency_ms(95),
        )

    def _counts(self, source: Source | None) -> tuple[int, int]:
        """Dropped and skipped, which never go back: the source may be settled meanwhile."""
        with self._lock:
            if source is None or source is self._settled:
                return self._dropped, self._skipped
            return self._dropped + source.dropped, self._skipped + source.skipped

    def _last_minute(self) -> list[_Seen]:
        with self._lock:
            if self.live:
                self._forget(time.monotonic())
            return list(self._recent)

    def _forget(self, now_s: float) -> None:
        while self._recent and self._recent[0].at_s < now_s - RECENT_S:
            self._recent.popleft()
