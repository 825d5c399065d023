"""The values that cross layers: frozen, with their units beside them."""

# Ubuntu 22.04's NumPy, in the camera's process, knows no dtype[].
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""(height, width, 3) uint8 pixels in B, G, R order, as OpenCV hands them out."""

Tensor = npt.NDArray[Any]
"""What goes into or comes out of an interpreter, in the tensor's own dtype and shape."""

TIES_UP = 0.5 + 1e-5
"""Added before flooring; the excess absorbs the rounding of a float32 scale."""

UNKNOWN = "unknown"
"""The label of a frame that the model's reject rule turns away."""


ViewState = Literal["ok", "dark", "bright", "blurred", "covered", "frozen", "moved"]
"""Whether a camera can see, and what is wrong if not."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from a source."""

    image: Image
    mono_s: float
    """Seconds on the source's clock, for durations: time.monotonic() at capture for a live
    source, the position in the recording for a file."""
    unix_s: float
    """Seconds since 1970 for people; a file's clock starts at 0."""
    arrived_s: float
    """time.monotonic() when the pixels were there: what latency is counted from."""
    dropped: int = 0
    """Frames that nobody took between the previous one and this one."""
    origin: str = ""
    """The picture's file name, where it has one."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An interpreter's input or output: shape, dtype and affine quantisation.

    `real = scale * (quantized - zero_point)`, the TFLite quantisation specification;
    scale 0 means that the tensor is not quantised.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float = 0.0
    zero_point: int = 0

    @property
    def counts(self) -> bool:
        """Whether it holds whole numbers, as indices are."""
        return self.dtype.kind in "iub" and not self.scale

    def quantize(self, real: Tensor) -> Tensor:
        """Real values of any shape -> this tensor's dtype, rounded and clamped.

        Ties go up: a network fed -1..1 has its pixels half a step off the grid, and rounding
        half to even would map every two neighbouring pixel values onto one step.
        """
        if self.scale == 0.0:
            return real.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        steps: Tensor = np.floor(real.astype(np.float64) / self.scale + TIES_UP) + self.zero_point
        return steps.clip(limits.min, limits.max).astype(self.dtype)

    def dequantize(self, quantized: Tensor) -> npt.NDArray[np.float32]:
        """This tensor's values of any shape -> float32 real values."""
        if self.scale == 0.0:
            return quantized.astype(np.float32)
        steps = quantized.astype(np.int32) - self.zero_point
        return np.asarray(steps * np.float32(self.scale), np.float32)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the frame, normalised: 0..1 from the left and from the top.

    A detector's boxes may reach a little beyond the frame; events carry them cut.
    """

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    def cut(self) -> Box:
        """The part of it that lies in the frame."""
        edges = (self.x_min, self.y_min, self.x_max, self.y_max)
        return Box(*(min(max(edge, 0.0), 1.0) for edge in edges))


@dataclass(frozen=True, slots=True)
class Fit:
    """The window of the frame that the network's input shows, normalised to the frame.

    `frame = start + input * span`: stretch is (0, 0, 1, 1); a crop has spans below 1;
    a letterbox reaches beyond the frame, with starts below 0 and spans above 1.
    """

    x_start: float
    y_start: float
    x_span: float
    y_span: float

    def within(self, window: Fit) -> Fit:
        """This fit to a window of the frame -> the fit to the frame."""
        return Fit(
            window.x_start + self.x_start * window.x_span,
            window.y_start + self.y_start * window.y_span,
            self.x_span * window.x_span,
            self.y_span * window.y_span,
        )

    def to_frame(self, box: Box) -> Box:
        """A box normalised to the network's input -> the same box normalised to the frame."""
        return Box(
            self.x_start + box.x_min * self.x_span,
            self.y_start + box.y_min * self.y_span,
            self.x_start + box.x_max * self.x_span,
            self.y_start + box.y_max * self.y_span,
        )


@dataclass(frozen=True, slots=True)
class Detection:
    """One label with its score 0..1; without a box it speaks of the whole frame."""

    label: str
    score: float
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One object, followed from frame to frame."""

    number: int
    """The same as long as the object is followed; unique within one run of a source."""
    label: str
    score: float
    """Of the latest detection, 0..1."""
    box: Box
    """Where it is; while it is not seen, where it is thought to be."""
    seen: bool
    """Whether this frame's detections show it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an object's move means for a place in the frame."""

    what: Literal["entered", "left", "stayed", "crossed"]
    place: str
    """The zone's or the line's name."""
    direction: Literal["forward", "backward"] | None = None
    """Of a crossing: forward is from the left to the right of someone who walks the line from
    its start to its end."""


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a story: a label appeared (start), goes on (update), is gone (end)."""

    kind: Literal["start", "update", "end"]
    story: int
    """The same number for start, updates and end; unique within one run of the daemon."""
    label: str
    score: float
    """The highest score of the story so far, 0..1."""
    unix_s: float
    """When the frame that decided it was taken."""
    started_unix_s: float
    """When the first agreeing frame was taken."""
    duration_s: float
    """From the first to the latest agreeing frame, on the source's clock."""
    frames_seen: int
    frames_agreeing: int
    box: Box | None = None
    track: int | None = None
    change: (
        Literal["appeared", "goes_on", "entered", "left", "stayed", "crossed", "gone"] | None
    ) = None
    """Why it is told, for an object; None for a whole-frame label."""
    place: str | None = None
    """The zone or the line of that change."""
    direction: Literal["forward", "backward"] | None = None
    zones: dict[str, float] = field(default_factory=dict)
    """The zones that the object is in, each with the seconds it has been there."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one inference said of one frame."""

    unix_s: float
    detections: tuple[Detection, ...]
    """Highest score first."""
    latency_s: float
    """From the frame's pixels to its labels, seconds."""
    prepare_s: float = 0.0
    """The part of it that preprocessing took."""
    infer_s: float = 0.0
    """The part of it that the inference took; the rest is waiting and decoding."""
    origin: str = ""
    dropped: int = 0
    events: tuple[Event, ...] = ()
    looked: bool = True
    """False where the motion gate saw nothing move and no inference was made."""
