"""Frames -> observations and events: the whole path of a frame, in one loop."""

import time
from collections.abc import Iterator

from edge.decode import Classify
from edge.events import EventTracker
from edge.preprocess import Preprocess
from edge.runtime.runtime import Runtime
from edge.sources import Source
from edge.types import Event, Frame, Observation


class Pipeline:
    """One source's frames through one model."""

    def __init__(
        self,
        source: Source,
        preprocess: Preprocess,
        runtime: Runtime,
        decode: Classify,
        events: EventTracker,
    ) -> None:
        self.source = source
        self.preprocess = preprocess
        self.runtime = runtime
        self.decode = decode
        self.events = events
        self._last: Frame | None = None

    def __iter__(self) -> Iterator[Observation]:
        """One Observation per frame, with the events that the frame decided."""
        for frame in self.source:
            tensor, fit = self.preprocess(frame.image)
            outputs = self.runtime.infer(tensor)
            detections = self.decode(outputs, fit)
            latency_s = time.monotonic() - frame.arrived_s
            events = self.events.update(frame, detections)
            self._last = frame
            yield Observation(
                frame.unix_s, detections, latency_s, frame.origin, frame.dropped, events
            )

    def finish(self) -> tuple[Event, ...]:
        """After the last frame: the ends of the stories that are still open."""
        return self.events.finish(self._last) if self._last is not None else ()
