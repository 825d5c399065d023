"""Frames -> observations and events: the whole path of a frame, in one loop."""

import time
from collections.abc import Callable, Generator, Iterator
from itertools import cycle

import numpy as np

from edge.ahead import Ahead
from edge.decode import Decode
from edge.events import EventTracker, ObjectEvents
from edge.motion import MotionGate, cut
from edge.preprocess import Preprocess
from edge.runtime.runtime import Runtime
from edge.sources import Source
from edge.types import Event, Fit, Frame, Observation, Tensor

WHOLE = Fit(0.0, 0.0, 1.0, 1.0)
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
        decode: Decode,
        events: EventTracker | ObjectEvents,
    ) -> None:
        """`gate` may be set before the first frame: what does not move is not inferred.

        So may `rest`, which is called before each frame but the first is asked for.
        """
        self.source = source
        self.preprocess = preprocess
        self.runtime = runtime
        self.decode = decode
        self.events = events
        self.gate: MotionGate | None = None
        self.rest: Callable[[], object] | None = None
        self._last: Frame | None = None
        self._infer_s = 0.0

    def __iter__(self) -> Iterator[Observation]:
        """One Observation per frame, with the events that the frame decided."""
        for frame, tensor, fit, prepare_s in Ahead(self._prepared()):
            if tensor is None:
                self._last = frame
                yield self._quiet(frame, prepare_s)
                continue
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

    def _quiet(self, frame: Frame, prepare_s: float) -> Observation:
        """Nothing moved: what held still holds."""
        return Observation(
            unix_s=frame.unix_s,
            detections=(),
            latency_s=time.monotonic() - frame.arrived_s,
            prepare_s=prepare_s,
            origin=frame.origin,
            dropped=frame.dropped,
            events=self.events.hold(frame),
            looked=False,
        )

    def _prepared(self) -> Generator[tuple[Frame, Tensor | None, Fit, float], None, None]:
        """Frames with their tensors, while the frame before is inferred: one tensor is read,
        the other written. A live source is asked as late as the tensor is ready in time."""
        spec = self.runtime.input
        buffers = cycle([np.empty(spec.shape, spec.dtype) for _ in range(2)])
        for frame in self.source:
            began_s = time.monotonic()
            tensor, fit = self._tensor(frame, buffers)
            prepare_s = time.monotonic() - began_s
            yield frame, tensor, fit, prepare_s
            if self.source.live:
                time.sleep(max(0.0, self._infer_s - prepare_s - MARGIN_S))
            if self.rest is not None:
                self.rest()

    def _tensor(self, frame: Frame, buffers: Iterator[Tensor]) -> tuple[Tensor | None, Fit]:
        """What the gate lets through; None where there is nothing to look at."""
        image, window = frame.image, WHOLE
        if self.gate is not None:
            where = self.gate(frame, self.events.busy, self.events.boxes)
            if where is None:
                return None, WHOLE
            image, window = cut(frame.image, where)
        tensor, fit = self.preprocess(image, next(buffers))
        return tensor, fit.within(window)

    def _infer(self, tensor: Tensor) -> tuple[tuple[Tensor, ...], float]:
        began_s = time.monotonic()
        outputs = self.runtime.infer(tensor)
        infer_s = time.monotonic() - began_s
        self._infer_s += (1 - MEMORY) * (infer_s - self._infer_s)
        return outputs, infer_s
