"""A picture as the camera gives it -> turned, mirrored, masked and cut, in this order. Pure.

Masks and crop lie on the upright picture, so that one picture is enough to draw
both, and another crop never uncovers what a mask hides; zones and boxes lie on what is left.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.types import Image

Ring = tuple[tuple[float, float], ...]

TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
FLIPS = {"vertical": 0, "horizontal": 1, "both": -1}
FINE = 8
"""Binary digits after the point in cv2.fillPoly's coordinates."""


@dataclass(frozen=True, slots=True)
class Alteration:
    """What is done to every picture of a source."""

    rotate: int = 0
    """Degrees clockwise: 0, 90, 180 or 270."""
    flip: str = "none"
    """horizontal: left becomes right; vertical: top becomes bottom; both; none."""
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """x_min, y_min, x_max, y_max of what is kept, as shares of the upright picture."""
    masks: tuple[Ring, ...] = ()
    """Polygons [x, y] in the upright picture; what they touch becomes black."""


class Alter:
    """`alter(image) -> image`: a new picture; what comes in is not written to."""

    def __init__(self, alteration: Alteration) -> None:
        self._alteration = alteration
        self._shape = (0, 0)
        self._keep: Image | None = None
        """255 where a pixel of the crop may be seen; for pictures of `_shape`."""

    def __call__(self, image: Image) -> Image:
        """(height, width, 3) -> the same or another height and width, at least 1 pixel each."""
        made = self._alteration
        if made.rotate:
            image = np.asarray(cv2.rotate(image, TURNS[made.rotate]), np.uint8)
        if made.flip != "none":
            image = np.asarray(cv2.flip(image, FLIPS[made.flip]), np.uint8)
        height, width = image.shape[:2]
        rows, columns = self._window(height, width)
        part = image[rows, columns]
        if not made.masks:
            return part
        if self._keep is None or self._shape != (height, width):
            self._keep = 255 - hidden(made.masks, height, width)[rows, columns]
            self._shape = (height, width)
        return np.asarray(cv2.bitwise_and(part, part, mask=self._keep), np.uint8)

    def _window(self, height: int, width: int) -> tuple[slice, slice]:
        x_min, y_min, x_max, y_max = self._alteration.crop
        left, top = min(int(x_min * width), width - 1), min(int(y_min * height), height - 1)
        right, bottom = max(left + 1, round(x_max * width)), max(top + 1, round(y_max * height))
        return slice(top, bottom), slice(left, right)


def hidden(masks: tuple[Ring, ...], height: int, width: int) -> Image:
    """(height, width) uint8: 255 in every pixel that a polygon touches, be it with a corner."""
    # A pixel more on every side: OpenCV drops what is thin where it leaves the picture.
    drawn = np.zeros((height + 2, width + 2), np.uint8)
    for ring in masks:
        points = np.array(ring, np.float64) * (width, height) + 0.5
        cv2.fillPoly(drawn, [np.round(points * 2**FINE).astype(np.int32)], 255, shift=FINE)
    return np.asarray(cv2.dilate(drawn, np.ones((3, 3), np.uint8))[1:-1, 1:-1], np.uint8)
