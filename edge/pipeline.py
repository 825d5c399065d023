"""Frames -> observations and events: the whole path of a frame, in one loop."""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import cycle
from threading import Lock
from typing import NamedTuple

import numpy as np

from edge.ahead import Ahead
from edge.decode import Decode
from edge.events import EventTracker, ObjectEvents
from edge.model import Model
from edge.motion import MotionGate, cut
from edge.preprocess import Preprocess
from edge.runtime.runtime import ExchangedError, Runtime
from edge.sources import Source
from edge.types import Detection, Event, Fit, Frame, Observation, Tensor

WHOLE = Fit(0.0, 0.0, 1.0, 1.0)
MARGIN_S = 0.002
"""How much before the end of an inference the next tensor should be ready."""
MEMORY = 0.9
"""Share of the past in the smoothed duration of an inference."""


@dataclass(frozen=True, slots=True)
class Look:
    """How frames are looked at, and what for; exchanged as a whole."""

    preprocess: Preprocess
    runtime: Runtime
    decode: Decode
    events: EventTracker | ObjectEvents
    gate: MotionGate | None = None
    """What does not move is not inferred, where there is one."""
    model: Model | None = None
    """What `preprocess` and `decode` are made for; None: whatever runs."""


class _Prepared(NamedTuple):
    frame: Frame
    look: Look
    tensor: Tensor | None
    """None where there is nothing to look at."""
    fit: Fit
    took_s: float


class Pipeline:
    """One source's frames through one model."""

    def __init__(self, source: Source, look: Look) -> None:
        """`rest` is called, where it is set, before each frame but the first is asked for."""
        self.source = source
        self.look = look
        """May be replaced from another thread: it holds from the next inference on."""
        self.rest: Callable[[], object] | None = None
        self._looking = look
        self._last: Frame | None = None
        self._infer_s = 0.0
        self._preparing = Lock()
        """A look that was exchanged prepares a frame in the other thread."""
        self._ahead = Ahead(self._prepared())

    def __iter__(self) -> Iterator[Observation]:
        """One Observation per frame, with the events that the frame decided."""
        for prepared in self._ahead:
            yield self._observe(prepared)

    @property
    def last(self) -> Frame | None:
        """The latest frame that went through."""
        return self._last

    def stop(self) -> None:
        """From any thread: the iteration ends, even where the source hangs."""
        self.source.stop()
        self._ahead.stop()

    def finish(self) -> tuple[Event, ...]:
        """After the last frame: the ends of the stories that are still open."""
        return self._looking.events.finish(self._last) if self._last is not None else ()

    def _observe(self, made: _Prepared) -> Observation:
        """The frame under the look that holds; where that changes meanwhile, once more."""
        told: tuple[Event, ...] = ()
        detections: tuple[Detection, ...] = ()
        while True:
            told += self._turn()
            look, infer_s = self._looking, 0.0
            if made.look is not look:
                made = self._prepare(made.frame, look, None)
            if made.tensor is None:
                told += look.events.hold(made.frame)
                break
            try:
                outputs, infer_s = self._infer(look, made.tensor)
            except ExchangedError:
                if self.look is look:
                    raise
                continue
            detections = look.decode(outputs, made.fit)
            told += look.events.update(made.frame, detections)
            break
        return self._observation(made, detections, infer_s, told)

    def _turn(self) -> tuple[Event, ...]:
        """The stories of what is not looked for any more end."""
        before, self._looking = self._looking, self.look
        if before.events is self._looking.events or self._last is None:
            return ()
        return before.events.finish(self._last)

    def _observation(
        self,
        made: _Prepared,
        detections: tuple[Detection, ...],
        infer_s: float,
        events: tuple[Event, ...],
    ) -> Observation:
        frame = self._last = made.frame
        return Observation(
            unix_s=frame.unix_s,
            detections=detections,
            latency_s=time.monotonic() - frame.arrived_s,
            prepare_s=made.took_s,
            infer_s=infer_s,
            origin=frame.origin,
            dropped=frame.dropped,
            events=events,
            looked=made.tensor is not None,
        )

    def _prepared(self) -> Generator[_Prepared, None, None]:
        """Frames with their tensors, while the frame before is inferred: one tensor is read,
        the other written. A live source is asked as late as the tensor is ready in time."""
        look, buffers = self.look, _buffers(self.look)
        for frame in self.source:
            if self.look is not look:
                look, buffers = self.look, _buffers(self.look)
            prepared = self._prepare(frame, look, next(buffers))
            yield prepared
            if self.source.live:
                time.sleep(max(0.0, self._infer_s - prepared.took_s - MARGIN_S))
            if self.rest is not None:
                self.rest()

    def _prepare(self, frame: Frame, look: Look, buffer: Tensor | None) -> _Prepared:
        """What the gate lets through."""
        began_s = time.monotonic()
        image, window = frame.image, WHOLE
        with self._preparing:
            if look.gate is not None:
                where = look.gate(frame, look.events.busy, look.events.boxes)
                if where is None:
                    return _Prepared(frame, look, None, WHOLE, time.monotonic() - began_s)
                image, window = cut(frame.image, where)
            tensor, fit = look.preprocess(image, buffer)
        return _Prepared(frame, look, tensor, fit.within(window), time.monotonic() - began_s)

    def _infer(self, look: Look, tensor: Tensor) -> tuple[tuple[Tensor, ...], float]:
        began_s = time.monotonic()
        outputs = look.runtime.infer(tensor, look.model)
        infer_s = time.monotonic() - began_s
        self._infer_s += (1 - MEMORY) * (infer_s - self._infer_s)
        return outputs, infer_s


def _buffers(look: Look) -> Iterator[Tensor]:
    spec = look.preprocess.spec
    return cycle([np.empty(spec.shape, spec.dtype) for _ in range(2)])
