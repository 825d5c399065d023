"""What becomes of one source's observations: feed, snapshots, recording, summary, its view."""

import logging
import time
from collections import deque

import cv2

from edge.daemon.stats import SourceStats
from edge.feed.commands import Asked
from edge.feed.feed import Feed
from edge.record import SourceRecorder
from edge.summary import Tally
from edge.types import Event, Frame, Observation
from edge.view import View

log = logging.getLogger(__name__)


class Reporter:
    """One source's; called from its thread only, but for `wants`."""

    def __init__(self, name: str, stats: SourceStats, feed: Feed) -> None:
        self._name = name
        self._stats = stats
        self._feed = feed
        self._wanted: deque[Asked] = deque()
        self._published_s = time.monotonic()
        self._recording: SourceRecorder | None = None
        self.tally: Tally | None = None
        """Counts the frames of the day, where summaries are switched on."""
        self.publish_s = 900.0
        """Seconds between two summaries."""
        self.record: SourceRecorder | None = None
        """Writes snapshots and clips, where they are switched on; may be replaced at any time."""
        self.view: View | None = None
        """Judges whether the camera can see, where that is switched on."""

    @property
    def recording(self) -> SourceRecorder | None:
        """What it records with now: `record`, from the next frame on."""
        return self._recording

    def wants(self, asked: Asked) -> None:
        """From any thread: publish the next frame, and answer."""
        self._wanted.append(asked)

    def watch(self, frame: Frame) -> None:
        """Say whether the camera can see, where that changed."""
        view = self.view
        if view is None:
            self._stats.view = None
            return
        before, now = self._stats.view, view.take(frame)
        if now == before:
            return
        self._stats.view = now
        self._feed.view(self._name, now, frame.unix_s)
        if before is not None:
            log.log(
                logging.INFO if now == "ok" else logging.WARNING,
                "source %s: its view is %s, was %s", self._name, now, before,
            )  # fmt: skip

    def take(self, seen: Observation, frame: Frame, live: bool) -> None:
        """One more observation, of that frame."""
        self._feed.observe(self._name, seen, live)
        self._show(frame, seen)
        self._count(seen, live)
        self._film(frame, seen)

    def finish(self, events: tuple[Event, ...], live: bool) -> None:
        """The source has ended, with the ends of these stories."""
        for event in events:
            self._stats.events += 1
            self._feed.tell(self._name, event, live)
        self._film_ends()
        self._summary(complete=not live)
        self.turn_away()

    def turn_away(self) -> None:
        """Answer those who want a frame: there is none."""
        while self._wanted:
            self._wanted.popleft().refuse(f"source {self._name} delivers no frames any more")

    def _show(self, frame: Frame, seen: Observation) -> None:
        """Publish the frame, where it is asked for or an event starts with it."""
        starts = self._feed.snapshots and any(event.kind == "start" for event in seen.events)
        if not (starts or self._wanted):
            return
        done, jpeg = cv2.imencode(".jpg", frame.image)
        topic = self._feed.snapshot(self._name, jpeg.tobytes()) if done else ""
        while self._wanted:
            asked = self._wanted.popleft()
            asked.done(snapshot=topic) if done else asked.refuse("the frame is no picture")

    def _count(self, seen: Observation, live: bool) -> None:
        """Tally a frame; tell the day that ended with it, and from time to time the one that is."""
        tally = self.tally
        if tally is None or not seen.looked:
            return
        ended = tally.add(seen.unix_s, seen.detections, virtual=not live)
        if ended is not None:
            self._feed.summary(self._name, ended, complete=True)
        if time.monotonic() - self._published_s >= self.publish_s:
            self._summary(complete=False)

    def _summary(self, complete: bool) -> None:
        self._published_s = time.monotonic()
        if self.tally is not None and self.tally.day is not None:
            self._feed.summary(self._name, self.tally.day, complete)

    def _film(self, frame: Frame, seen: Observation) -> None:
        if self._recording is not self.record:
            self._film_ends()
        if self._recording is not None:
            self._recording.take(frame, seen.events)

    def _film_ends(self) -> None:
        if self._recording is not None:
            self._recording.finish()
        self._recording = self.record
