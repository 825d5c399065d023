"""What the user asked for -> checked values, and names of normalizations -> statistics."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from converter.labels import read_labels, read_thresholds
from edge.errors import FatalError

__all__ = [
    "CALIBRATION_PICTURES",
    "Color",
    "Effort",
    "Io",
    "Options",
    "Resize",
    "Statistics",
    "read_labels",
    "read_thresholds",
    "statistics",
]

Color = Literal["rgb", "bgr", "grey"]
Resize = Literal["stretch", "letterbox", "crop"]
Effort = Literal["fast", "normal", "max"]
Io = Literal["int8", "uint8", "float32"]
Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation, one value or one per channel of the network's input."""

CALIBRATION_PICTURES = 200
"""16 to 32 already gave the full accuracy in a trial; more costs little and covers more classes."""

LARGEST_SIDE = 8192
"""Of a network's input, pixels."""
LONGEST_NAME = 64
"""Of a model: it becomes part of MQTT topics and file names."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""R, G, B, pixels 0..255: 255 times the usual 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to convert; every field has its default."""

    labels: tuple[str, ...] = ()
    """In the order of the network's outputs; empty: the folders' names, sorted."""
    normalize: str = ""
    """Empty: `none` where the model normalises by itself, else 0..1."""
    color: Color = "rgb"
    resize: Resize = "stretch"
    crop_fraction: float = 1.0
    pad: int = 114
    """With resize = letterbox: the pixel value of the bars."""
    name: str = ""
    """[a-z0-9_-]+; empty: made from the output file's name."""
    thresholds: dict[str, float] = field(default_factory=dict)
    reject_below: float = 0.0
    calibration: Path | None = None
    """Pictures that calibrate, so that all of the data measures; empty: a part of the data."""
    count: int = CALIBRATION_PICTURES
    """At most so many pictures calibrate and choose."""
    effort: Effort = "normal"
    """How many ways to recover accuracy are tried; the best by measurement is kept. `max` may
    leave the network's first and last layers in float."""
    max_drop: float = 1.0
    """Accuracy that int8 may lose against float, in points of a hundred."""
    strict: bool = False
    """Whether a drop within `max_drop` has to be proven, by the 95 % interval, for a model to be
    written."""
    io: Io = "int8"
    """The type of the model's input and output."""
    full_integer: bool = False
    """Whether no operator may compute in float, however much closer that would be."""
    input_size: tuple[int, ...] = ()
    """Height and width, where the model leaves them open."""
    output: str = ""
    """The name of the output to convert, where the model has several."""
    unlabelled: Path | None = None
    """More pictures like those of the camera, for fine-tuning to learn from; labels not needed."""
    negatives: Path | None = None
    """A folder of pictures that show none of the labels: they set the reject threshold."""
    trusted: bool = False
    """Whether Python code inside the model file may run."""
    custom_objects: tuple[str, ...] = ()
    """`module:name` of layers that the model was made with."""
    head: tuple[str, ...] = ()
    """`layout=yolov8`, `nms.iou=0.5`: what a wrapped detector's outputs mean (edge.head)."""
    progress: bool = True

    def __post_init__(self) -> None:
        """Raises FatalError for numbers that mean nothing."""
        if not math.isfinite(self.max_drop):
            raise FatalError(f"--max-drop: {self.max_drop}: expected points of accuracy, as in 1.0")
        if not 0 <= self.reject_below <= 1:
            raise FatalError(f"--reject-below: {self.reject_below}: expected a share from 0 to 1")
        if not 0 < self.crop_fraction <= 1:
            raise FatalError(f"--crop-fraction: {self.crop_fraction}: expected above 0, at most 1")
        if any(not 1 <= side <= LARGEST_SIDE for side in self.input_size):
            raise FatalError(
                f"--input-size: {'x'.join(map(str, self.input_size))}: "
                f"expected sides from 1 to {LARGEST_SIDE}"
            )
        if len(self.name) > LONGEST_NAME:
            raise FatalError(f"--name: expected at most {LONGEST_NAME} characters")


def statistics(normalize: str, color: Color) -> Statistics:
    """`0..1`, `-1..1`, `imagenet`, `none` or numbers -> mean and std of `(pixel - mean) / std`.

    Numbers are `mean,std`, or all means and then all stds in the order of the network's channels.
    Raises FatalError for anything else.
    """
    match normalize.strip():
        case "0..1":
            return (0.0,), (255.0,)
        case "-1..1":
            return (127.5,), (127.5,)
        case "none":
            return (0.0,), (1.0,)
        case "imagenet":
            return _imagenet(color)
        case other:
            return _numbers(other, 1 if color == "grey" else 3)


def _imagenet(color: Color) -> Statistics:
    match color:
        case "rgb":
            return IMAGENET_MEAN, IMAGENET_STD
        case "bgr":
            return IMAGENET_MEAN[::-1], IMAGENET_STD[::-1]
        case _:
            return (sum(IMAGENET_MEAN) / 3,), (sum(IMAGENET_STD) / 3,)


def _numbers(text: str, channels: int) -> Statistics:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    half = len(numbers) // 2
    if not all(map(math.isfinite, numbers)):
        raise FatalError(f"--normalize: {text!r}: every number must be finite")
    if len(numbers) % 2 or half not in {1, channels}:
        raise FatalError(
            f"--normalize: {text!r}: expected 0..1, -1..1, imagenet, none, or mean,std "
            f"(or {channels} means and {channels} stds) in pixel values 0..255"
        )
    if min(numbers[half:]) <= 0:
        raise FatalError(f"--normalize: {text!r}: every std must be above 0")
    return numbers[:half], numbers[half:]
