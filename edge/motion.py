"""Frames -> whether and where something moved, so that nothing else is inferred. Pure."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Box, Fit, Frame, Image

COLUMNS = 160
"""Width that frames are compared at: a person in a yard is still some pixels."""
MEMORY_S = 3.0
"""How fast the picture of the quiet scene follows the light."""
PADDING = 0.1
"""What a window shows around the movement, as a share of the frame."""
SMALLEST = 0.5
"""The smallest window's side, as a share of the frame: objects keep a size that the model knows."""

Grey = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MotionRule:
    """What counts as movement."""

    threshold: float = 12.0
    """Grey levels of 255 by which a pixel must differ from the quiet scene."""
    min_area: float = 0.002
    """Share of the frame that must differ."""
    look_s: float = 10.0
    """Without any movement, one look after so long."""
    crop: bool = False
    """Show the model only where it moved (and where known objects are)."""


class MotionGate:
    """One source's gate: `gate(frame, busy, boxes)` -> the window to look at, or None."""

    def __init__(self, rule: MotionRule) -> None:
        self._rule = rule
        self._quiet: Grey | None = None
        self._seen_s = 0.0
        self._looked_s = float("-inf")

    def __call__(self, frame: Frame, busy: bool, boxes: tuple[Box, ...]) -> Box | None:
        """Look where it moved; everywhere at the first frame and every `look_s`; where known
        objects are, while `busy`: a story is about to start or to end."""
        moved = self._moved(frame)
        forced = frame.mono_s - self._looked_s >= self._rule.look_s
        if moved is None and not busy and not forced:
            return None
        self._looked_s = frame.mono_s
        if not self._rule.crop or forced or moved is None:
            return Box(0.0, 0.0, 1.0, 1.0)
        return window((moved, *boxes))

    def _moved(self, frame: Frame) -> Box | None:
        """The outline of what differs from the quiet scene; the first frame differs nowhere."""
        small = _small(frame.image)
        quiet, passed_s = self._quiet, frame.mono_s - self._seen_s
        self._seen_s = frame.mono_s
        if quiet is None or quiet.shape != small.shape:
            self._quiet = small
            return None
        difference = small - quiet
        difference -= np.median(difference)  # the whole scene became lighter or darker
        self._quiet = quiet + (small - quiet) * min(1.0, max(0.0, passed_s) / MEMORY_S)
        differs = np.abs(difference) > self._rule.threshold
        if differs.mean() < self._rule.min_area:
            return None
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        height, width = differs.shape
        return Box(
            float(columns[0] / width), float(rows[0] / height),
            float((columns[-1] + 1) / width), float((rows[-1] + 1) / height),
        )  # fmt: skip


def window(boxes: tuple[Box, ...]) -> Box:
    """The smallest window of the frame around boxes, with padding, of the frame's own shape."""
    x_min, y_min = min(b.x_min for b in boxes), min(b.y_min for b in boxes)
    x_max, y_max = max(b.x_max for b in boxes), max(b.y_max for b in boxes)
    side = min(1.0, max(x_max - x_min + PADDING, y_max - y_min + PADDING, SMALLEST))
    x = min(max((x_min + x_max - side) / 2, 0.0), 1.0 - side)
    y = min(max((y_min + y_max - side) / 2, 0.0), 1.0 - side)
    return Box(x, y, x + side, y + side)


def cut(image: Image, where: Box) -> tuple[Image, Fit]:
    """The window's pixels (a view), and where in the frame they are: whole pixels."""
    height, width = image.shape[:2]
    left, top = int(where.x_min * width), int(where.y_min * height)
    right = max(left + 1, round(where.x_max * width))
    bottom = max(top + 1, round(where.y_max * height))
    part = image[top:bottom, left:right]
    rows, columns = part.shape[:2]
    return part, Fit(left / width, top / height, columns / width, rows / height)


def _small(image: Image) -> Grey:
    """Grey, COLUMNS wide, softened so that sensor noise does not move."""
    height, width = image.shape[:2]
    size = (min(COLUMNS, width), max(1, round(height * min(COLUMNS, width) / width)))
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.blur(grey, (5, 5)), np.float32)
