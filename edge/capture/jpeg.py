"""Encoded pictures -> pixels, upright; JPEGs are decoded at reduced size where that is enough."""

import struct

import cv2
import numpy as np

from edge.capture.wire import LARGEST, Layout, Request
from edge.errors import TransientError
from edge.types import Image

REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""The JPEG decoder's own scaling: an eighth costs a tenth of the whole."""
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of the JPEG segment that tells the size (ITU-T T.81, table B.1)."""


def from_jpeg(data: bytes, request: Request) -> tuple[Image, Layout]:
    """A camera's picture at the width that was asked for.

    Raises TransientError for what is none.
    """
    image = decoded(data, request.width)
    if image is None:
        raise TransientError(f"{request.shown}: sends what is not a picture")
    return image, "bgr"


def decoded(data: bytes, width: int = 0) -> Image | None:
    """(rows, columns, 3) B,G,R at most `width` wide (0: whole); None for what is no picture.

    JPEGs of over LARGEST pixels come at a half, a quarter or an eighth: memory is short.
    """
    flag = cv2.IMREAD_COLOR
    rows, columns = jpeg_size(data)
    for share, reduced in REDUCED.items():
        if (width and columns >= share * width) or rows * columns > LARGEST * (share / 2) ** 2:
            flag = reduced
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    except cv2.error:
        return None
    return None if image is None else scaled(np.asarray(image, np.uint8), width)


def scaled(image: Image, width: int) -> Image:
    """At most `width` pixels wide (0: as it is), each pixel the mean of those it stands for."""
    rows, columns = image.shape[:2]
    if not 0 < width < columns:
        return image
    size = (width, max(1, round(rows * width / columns)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Rows and columns, from the header; zeros for what is no JPEG."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data):
        mark, kind, length = struct.unpack_from(">BBH", data, at)
        if mark != 0xFF or length < 2:
            break
        if kind in FRAMES:
            rows, columns = struct.unpack_from(">HH", data, at + 5)
            return int(rows), int(columns)
        at += 2 + length
    return 0, 0
