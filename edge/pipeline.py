"""Frames -> observations and events: the whole path of a frame, in one loop."""

import time
from collections.abc import Generator, Iterator
from itertools import cycle

import numpy as np

from edge.ahead import Ahead
from edge.decode import Classify
from edge.events import EventTracker
from edge.preprocess import Preprocess
from edge.runtime.runtime import Runtime
from edge.sources import Source
from edge.types import Event, Fit, Frame, Observation, Tensor

MARGIN_S = 0.002
"""How much before the end of an inference the next tensor should be ready."""
MEMORY = 0.9
"""Share of the past in the smoothed duration of an inference."""


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
        self._infer_s = 0.0

    def __iter__(self) -> Iterator[Observation]:
        """One Observation per frame, with the events that the frame decided."""
        for frame, tensor, fit, prepare_s in Ahead(self._prepared()):
            outputs, infer_s = self._infer(tensor)
            detections = self.decode(outputs, fit)
            latency_s = time.monotonic() - frame.arrived_s
            events = self.events.update(frame, detections)
            self._last = frame
            yield Observation(
                unix_s=frame.unix_s,
                detections=detections,
                latency_s=latency_s,
                prepare_s=prepare_s,
                infer_s=infer_s,
                origin=frame.origin,
                dropped=frame.dropped,
                events=events,
            )

    @property
    def last(self) -> Frame | None:
        """The latest frame that went through."""
        return self._last

    def finish(self) -> tuple[Event, ...]:
        """After the last frame: the ends of the stories that are still open."""
        return self.events.finish(self._last) if self._last is not None else ()

    def _prepared(self) -> Generator[tuple[Frame, Tensor, Fit, float], None, None]:
        """Frames with their tensors, while the frame before is inferred: one tensor is read,
        the other written. A live source is asked as late as the tensor is ready in time."""
        spec = self.runtime.input
        buffers = cycle([np.empty(spec.shape, spec.dtype) for _ in range(2)])
        for frame in self.source:
            began_s = time.monotonic()
            tensor, fit = self.preprocess(frame.image, next(buffers))
            prepare_s = time.monotonic() - began_s
            yield frame, tensor, fit, prepare_s
            if self.source.live:
                time.sleep(max(0.0, self._infer_s - prepare_s - MARGIN_S))

    def _infer(self, tensor: Tensor) -> tuple[tuple[Tensor, ...], float]:
        began_s = time.monotonic()
        outputs = self.runtime.infer(tensor)
        infer_s = time.monotonic() - began_s
        self._infer_s += (1 - MEMORY) * (infer_s - self._infer_s)
        return outputs, infer_s
