"""A decoded video frame -> pixels as a player shows them: colors, square pixels, upright."""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.stream import VideoStream

from edge.capture.wire import LARGEST, Layout
from edge.errors import TransientError
from edge.types import Image

UNTAGGED = 2
"""A frame that does not say its color matrix (ITU-T H.273, table 4)."""
HD_ROWS = 720
"""Untagged video from here on is BT.709, below it is BT.601: so players take it."""
ODDEST = 10
"""A pixel that is so many times wider than high, or higher than wide, is a mistake of the file."""


@dataclass(frozen=True, slots=True)
class Display:
    """How the frames of a stream are to be shown."""

    width: int
    """At most so many pixels wide, upright; 0: as they are."""
    aspect: Fraction = Fraction(1)
    """A pixel's width by its height."""
    turns: int = 0
    """Quarter turns to the left that make it upright."""
    coded: bool = True
    """Whether a codec made it: a webcam's raw pixels are BT.601 at any size."""

    def size(self, columns: int, rows: int) -> tuple[int, int]:
        """Columns and rows, before turning, of a frame as it is shown: no side loses pixels."""
        across, down = float(columns), float(rows)
        if 1 < self.aspect <= ODDEST:
            across = float(columns * self.aspect)
        elif 1 / Fraction(ODDEST) <= self.aspect < 1:
            down = float(rows / self.aspect)
        limited = down if self.turns % 2 else across
        share = self.width / limited if 0 < self.width < limited else 1.0
        return max(1, round(across * share)), max(1, round(down * share))


def aspect(stream: VideoStream) -> Fraction:
    """A pixel's width by its height, as the container or the codec says; else square."""
    return stream.sample_aspect_ratio or Fraction(1)


def pixels(frame: av.VideoFrame, display: Display) -> tuple[Image, Layout]:
    """B,G,R; scaled in the same pass. Raises TransientError for a frame of over LARGEST pixels."""
    columns, rows = display.size(frame.width, frame.height)
    if not 0 < max(frame.width * frame.height, columns * rows) <= LARGEST:
        raise TransientError(f"a frame of {frame.width}x{frame.height} pixels is too large")
    hd = display.coded and frame.colorspace == UNTAGGED and frame.height >= HD_ROWS
    smaller = columns <= frame.width and rows <= frame.height
    image = frame.to_ndarray(
        format="bgr24",
        width=columns,
        height=rows,
        src_colorspace="ITU709" if hd else None,
        interpolation="AREA" if smaller else "BICUBIC",
    )
    return np.ascontiguousarray(np.rot90(np.asarray(image, np.uint8), display.turns)), "bgr"
