"""One source's thread: its pipeline, started again when the source fails."""

import logging
import random
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

from edge.capture.wire import patience_s
from edge.config import SourceConfig
from edge.daemon import scene
from edge.daemon.chore import unexpected
from edge.daemon.complaints import Complaints
from edge.daemon.pulse import Pulse
from edge.daemon.reporter import Reporter
from edge.daemon.stats import SourceStats
from edge.errors import FatalError, HedgerowError, TransientError
from edge.feed.commands import Asked
from edge.feed.feed import Feed
from edge.health.pace import Pace
from edge.pipeline import Look, Pipeline
from edge.runtime.runtime import NoDelegateError
from edge.sources import Source, open_source
from edge.sources.camera import OPENING_S
from edge.sources.devices import Known
from edge.text import shown

log = logging.getLogger(__name__)

BACKOFF_S = (0.5, 1.0, 2.0, 3.0)
"""Waiting longer would cost a camera on the local network nothing, and its owner the events."""
PAUSE_S = 0.05
"""How soon a paused source notices that it may go on."""
HEALTHY_S = 60.0
"""A source that delivered for this long starts again with the shortest backoff."""
LONGEST_REASON = 500


class Worker:
    """Runs one source until it ends or is stopped; `error` says why it could not go on."""

    def __init__(
        self,
        name: str,
        config: SourceConfig,
        make: Callable[[Look | None, bool], Look],
        feed: Feed,
    ) -> None:
        """`make` gives what a pipeline looks with: the look before, if any, and whether the source
        is live."""
        self.name = name
        self.config = config
        self.stats = SourceStats()
        self.stats.asleep = config.schedule is not None  # until the schedule is looked at
        self.stats.live = scene.lives(config)
        self.reporter = Reporter(name, self.stats, feed)
        self.pulse = Pulse()
        """When this thread last moved on."""
        self.pace = Pace()
        """How much of the frame rate the heat leaves."""
        self.source: Source | None = None
        self.error: HedgerowError | BrokenPipeError | None = None
        self.failing = False
        """Whether it waits for another try."""
        self.company: Callable[[], bool] = lambda: False
        """Whether another source works meanwhile: then a recording that is missing is waited for.
        Alone, it ends the daemon."""
        self.on_pause: Callable[[bool], None] = lambda _: None
        """Called with every pause, before it is answered."""
        self._make = make
        self._feed = feed
        self._patience_s = patience_s(config)
        self._stopped = Event()
        self._closing = False
        """Whether this source is closed only for now, by a pause or by its schedule."""
        self._known = Known(name)
        self._complaints = Complaints(f"source {name}")
        self._failures = 0
        self._door = Lock()
        self._pipeline: Pipeline | None = None
        self.thread = Thread(target=self._run, name=f"source {name}", daemon=True)

    def stop(self) -> None:
        """From any thread: the source ends soon, and its stories with it."""
        self._stopped.set()
        with self._door:
            pipeline = self._pipeline
        if pipeline is not None:
            pipeline.stop()
        elif self.source is not None:
            self.source.stop()

    @property
    def owes(self) -> bool:
        """Whether its stories may still be open."""
        return self._pipeline is not None and self.thread.is_alive()

    def look_anew(self) -> None:
        """From any thread: the source goes on, and the next frame gets what `make` gives now."""
        with self._door:
            if self._pipeline is not None:
                self._pipeline.look = self._make(self._pipeline.look, self.stats.live)

    def pause(self, paused: bool) -> None:
        """From any thread: close the source, or open it again. A recording waits where it is."""
        self.stats.paused = paused
        self.on_pause(paused)
        if paused:
            self._close()

    def sleep(self, until: str | None) -> None:
        """From any thread: its schedule closes the source, until then where that is known."""
        self.stats.asleep_until = until
        if not self.stats.asleep:
            self.stats.asleep = True
            self._close()

    def wake(self) -> None:
        """From any thread: its schedule opens the source."""
        self.stats.asleep, self.stats.asleep_until = False, None

    def snapshot(self, asked: Asked) -> None:
        """From any thread: publish the next frame, and answer."""
        if self.stats.online:
            self.reporter.wants(asked)
        else:
            asked.refuse(f"source {self.name} delivers no frames now: {self.stats.why}")

    def _close(self) -> None:
        """Until it may be open again."""
        if self.source is not None and self.source.live:
            self._closing = True
            self.source.stop()

    def _run(self) -> None:
        try:
            self._supervise()
        except (HedgerowError, BrokenPipeError) as error:
            self.error = error
        self.pulse.end()
        self._stopped.set()

    def _supervise(self) -> None:
        """Raises what ends this source for good."""
        while not self._stopped.is_set():
            self.pulse.beat(self._patience_s + OPENING_S)
            if self.stats.closed:
                self._stopped.wait(PAUSE_S)
                continue
            began_s = time.monotonic()
            self._closing = False
            try:
                source = self._open()
                if self.stats.closed or self._stopped.is_set():
                    continue
                self._read(source)
            except Exception as error:  # noqa: BLE001  unseen, it would leave a source that is silent
                self._fail(error, time.monotonic() - began_s)
                continue
            if not self._closing:
                return

    def _open(self) -> Source:
        if self.source is not None:
            self.stats.settle(self.source)
        self.source = None
        self.source = open_source(self.config, self._known)
        self.stats.live = self.source.live
        scene.keeps_hours(self.name, self.config, self.source.live)
        return self.source

    def _fail(self, error: Exception, lasted_s: float) -> None:
        """Wait until the next try; raises where there is none."""
        if isinstance(error, BrokenPipeError | NoDelegateError):
            raise error
        if self._stopped.is_set():
            return
        told = self._in_words(error)
        self.stats.reason = str(told)
        missing = not self.stats.live and not self.stats.frames
        if not (self.stats.live or (missing and self.company())):
            raise told from None
        if lasted_s > HEALTHY_S:
            self._failures = 0
            self._complaints.settled()
        self._complaints.fails(str(told))
        backoff_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        wait_s = max(getattr(error, "wait_s", 0.0), backoff_s) * random.uniform(0.8, 1.2)  # noqa: S311
        self.pulse.beat(wait_s)
        self.failing = True
        self._stopped.wait(wait_s)

    def _in_words(self, error: Exception) -> HedgerowError:
        if isinstance(error, HedgerowError):
            kind = FatalError if isinstance(error, FatalError) else TransientError
            return kind(shown(str(error), LONGEST_REASON))
        log.debug("source %s", self.name, exc_info=error)
        return TransientError(f"{unexpected(error)}; please report it with the output of --verbose")

    def _read(self, source: Source) -> None:
        """Raises what the source fails with; open stories are ended either way."""
        with self._door:
            pipeline = Pipeline(source, self._make(None, source.live))
            pipeline.rest = lambda: self._stopped.wait(self.pace.wait_s(time.monotonic()))
            self._pipeline = pipeline
        try:
            for seen in pipeline:
                self.stats.observe(seen)
                self.pulse.beat(self._patience_s)
                assert pipeline.last is not None
                if source.live:
                    self.reporter.watch(pipeline.last)
                if not self.stats.online:
                    self._online()
                self.reporter.take(seen, pipeline.last, source.live)
                if self._stopped.is_set():
                    source.stop()
                elif self.stats.closed and source.live:
                    self._close()
                elif self.stats.paused:
                    self._hold()
        finally:
            self.stats.reason = "stopped" if self._stopped.is_set() else "ended"
            try:
                self.reporter.finish(pipeline.finish(), source.live)
            finally:
                self._pipeline = None
                self._offline()

    def _hold(self) -> None:
        """A recording that is paused goes on with its next frame."""
        self._offline()
        while self.stats.paused and not self._stopped.is_set():
            self.pulse.beat()
            self._stopped.wait(PAUSE_S)

    def _online(self) -> None:
        self.stats.online, self.failing = True, False
        self._complaints.works("delivers frames again")
        self._feed.available(self.name, online=True)
        self._feed.state(self.name, time.time())

    def _offline(self) -> None:
        self.reporter.turn_away()
        if self.stats.online:
            self.stats.online = False
            self._feed.available(self.name, online=False)
