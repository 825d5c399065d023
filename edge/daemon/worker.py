"""One source's thread: its pipeline, started again when a live source fails."""

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from threading import Event, Thread

import cv2

from edge.capture.wire import patience_s
from edge.config import SourceConfig
from edge.daemon import scene
from edge.daemon.pulse import Pulse
from edge.daemon.stats import SourceStats
from edge.errors import HedgerowError, TransientError
from edge.feed.commands import Asked
from edge.feed.feed import Feed
from edge.pipeline import Pipeline
from edge.record import SourceRecorder
from edge.sources import Source, open_source
from edge.sources.camera import OPENING_S
from edge.sources.devices import Known
from edge.summary import Tally
from edge.types import Observation
from edge.view import View

log = logging.getLogger(__name__)

BACKOFF_S = (0.5, 1.0, 2.0, 3.0)
"""Waiting longer would cost a camera on the local network nothing, and its owner the events."""
PAUSE_S = 0.05
"""How soon a paused source notices that it may go on."""
HEALTHY_S = 60.0
"""A source that delivered for this long starts again with the shortest backoff."""


class Worker:
    """Runs one source until it ends or is stopped; `error` says why it could not go on."""

    def __init__(
        self, name: str, config: SourceConfig, make: Callable[[Source], Pipeline], feed: Feed
    ) -> None:
        self.name = name
        self.stats = SourceStats()
        self.source: Source | None = None
        self.error: HedgerowError | BrokenPipeError | None = None
        self._config = config
        self._make = make
        self._feed = feed
        self.stats.asleep = config.schedule is not None  # until the schedule is looked at
        self._wanted: deque[Asked] = deque()
        self.tally: Tally | None = None
        """Counts the frames of the day, where summaries are switched on."""
        self.publish_s = 900.0
        """Seconds between two summaries."""
        self.record: SourceRecorder | None = None
        """Writes snapshots and clips, where they are switched on."""
        self.pulse = Pulse()
        """When this thread last moved on."""
        self._patience_s = patience_s(config)
        self.view: View | None = None
        """Judges whether the camera can see, where that is switched on."""
        self._published_s = time.monotonic()
        self._stopped = Event()
        self._closing = False
        """Whether this source is closed only for now, by a pause or by its schedule."""
        self._known = Known()
        self._complaint = ""
        """What was logged of a source that fails, until it delivers again."""
        self.thread = Thread(target=self._run, name=f"source {name}", daemon=True)

    def stop(self) -> None:
        """From any thread: the source ends soon."""
        self._stopped.set()
        if self.source is not None:
            self.source.stop()

    def pause(self, paused: bool) -> None:
        """From any thread: close the source, or open it again. A recording waits where it is."""
        self.stats.paused = paused
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

    def _close(self) -> None:
        """Until it may be open again."""
        if self.source is not None and self.source.live:
            self._closing = True
            self.source.stop()

    def snapshot(self, asked: Asked) -> None:
        """From any thread: publish the next frame, and answer."""
        if self.stats.online:
            self._wanted.append(asked)
        else:
            asked.refuse(f"source {self.name} delivers no frames now: {self.stats.why}")

    def _run(self) -> None:
        try:
            self._supervise()
        except (HedgerowError, BrokenPipeError) as error:
            self.error = error
        except Exception as error:  # unseen, it would leave a daemon that does nothing
            log.debug("source %s", self.name, exc_info=True)
            self.error = TransientError(
                f"source {self.name}: unexpected {type(error).__name__}: {error}; "
                "please report it with the output of --verbose"
            )
        self.pulse.end()
        self._stopped.set()

    def _supervise(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            self.pulse.beat(self._patience_s + OPENING_S)
            if self.stats.closed:
                self._stopped.wait(PAUSE_S)
                continue
            began_s = time.monotonic()
            self._closing = False
            self.source = open_source(self._config, self._known)
            scene.keeps_hours(self.name, self._config, self.source.live)
            try:
                self._read(self.source)
            except TransientError as error:
                if not self.source.live:
                    raise
                failures = 0 if time.monotonic() - began_s > HEALTHY_S else failures
                self._wait(error, BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1
                continue
            if not self._closing:
                return

    def _wait(self, error: TransientError, backoff_s: float) -> None:
        """Until the next try; a reason that stays the same is logged once."""
        wait_s = max(error.wait_s, backoff_s) * random.uniform(0.8, 1.2)  # noqa: S311
        self.stats.reason = str(error)
        if self._complaint != str(error):
            self._complaint = str(error)
            log.warning("source %s: %s; trying again every few seconds", self.name, error)
        self.pulse.beat(wait_s)
        self._stopped.wait(wait_s)

    def _read(self, source: Source) -> None:
        """Raises TransientError where the source fails; open stories are ended either way."""
        pipeline = self._make(source)
        try:
            for seen in pipeline:
                self.stats.observe(seen)
                self.pulse.beat(self._patience_s)
                self._watch(pipeline, source)
                if not self.stats.online:
                    self._online()
                self._feed.observe(self.name, seen, source.live)
                self._show(pipeline, seen)
                self._count(seen)
                if self.record is not None and pipeline.last is not None:
                    self.record.take(pipeline.last, seen.events)
                if self._stopped.is_set():
                    source.stop()
                elif self.stats.closed and source.live:
                    self._close()
                elif self.stats.paused:
                    self._hold()
        finally:
            for event in pipeline.finish():
                self.stats.events += 1
                self._feed.tell(self.name, event, source.live)
            if self.record is not None:
                self.record.finish()
            self._summary(complete=not source.live)
            self.stats.reason = "stopped" if self._stopped.is_set() else "ended"
            self._offline()

    def _watch(self, pipeline: Pipeline, source: Source) -> None:
        """Say whether the camera can see, where that changed. Recordings are not watched."""
        if self.view is None or pipeline.last is None or not source.live:
            return
        before, now = self.stats.view, self.view.take(pipeline.last)
        if now == before:
            return
        self.stats.view = now
        self._feed.view(self.name, now, pipeline.last.unix_s)
        if before is not None:
            log.log(
                logging.INFO if now == "ok" else logging.WARNING,
                "source %s: its view is %s, was %s", self.name, now, before,
            )  # fmt: skip

    def _show(self, pipeline: Pipeline, seen: Observation) -> None:
        """Publish the frame, where it is asked for or an event starts with it."""
        starts = self._feed.snapshots and any(event.kind == "start" for event in seen.events)
        if pipeline.last is None or not (starts or self._wanted):
            return
        done, jpeg = cv2.imencode(".jpg", pipeline.last.image)
        topic = self._feed.snapshot(self.name, jpeg.tobytes()) if done else ""
        while self._wanted:
            asked = self._wanted.popleft()
            asked.done(snapshot=topic) if done else asked.refuse("the frame is no picture")

    def _hold(self) -> None:
        """A recording that is paused goes on with its next frame."""
        self._offline()
        while self.stats.paused and not self._stopped.is_set():
            self.pulse.beat()
            self._stopped.wait(PAUSE_S)

    def _count(self, seen: Observation) -> None:
        """Tally a frame; tell the day that ended with it, and from time to time the one that is."""
        if self.tally is None or not seen.looked:
            return
        virtual = self.source is not None and not self.source.live
        ended = self.tally.add(seen.unix_s, seen.detections, virtual)
        if ended is not None:
            self._feed.summary(self.name, ended, complete=True)
        if time.monotonic() - self._published_s >= self.publish_s:
            self._summary(complete=False)

    def _summary(self, complete: bool) -> None:
        self._published_s = time.monotonic()
        if self.tally is not None and self.tally.day is not None:
            self._feed.summary(self.name, self.tally.day, complete)

    def _online(self) -> None:
        self.stats.online = True
        if self._complaint:
            self._complaint = ""
            log.info("source %s: delivers frames again", self.name)
        self._feed.available(self.name, online=True)
        self._feed.state(self.name, time.time())

    def _offline(self) -> None:
        while self._wanted:
            self._wanted.popleft().refuse(f"source {self.name} delivers no frames any more")
        if self.stats.online:
            self.stats.online = False
            self._feed.available(self.name, online=False)
