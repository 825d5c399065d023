"""Encoded pictures -> pixels, upright; JPEGs are decoded at reduced size where that is enough."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.capture.header import Header, essence, read_header
from edge.capture.wire import LARGEST, Layout, Request
from edge.errors import TransientError
from edge.types import Image

REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""The JPEG decoder's own scaling: an eighth costs a tenth of the whole."""
SLOWEST = 8
"""A JPEG of over so many times LARGEST pixels takes too long, however small it comes."""
DECODING_BYTES = 10 * LARGEST
"""The most memory that decoding takes beside the encoded bytes, whatever they are: a progressive
JPEG's coefficients, and its pixels."""
BLANKS = b"\x00\r\n\t "
"""What some cameras send before a picture; browsers look over it."""
END = b"\xff\xd9"
FILLER = b"\x55\xaa" * 512
"""Picture data that is nobody's: where it shows, a JPEG's own has ended too early."""
LACKING_ROWS, LACKING = 18, 1 / 16
"""What may be missing at a JPEG's end: a row of blocks and the pixels above that share its colors,
or that share of the rows. A browser shows such a picture."""
TWELVE_BITS = 1 << 12
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # its lines name no file


class PictureError(Exception):
    """The bytes are no picture that can be read here: why, where that is known."""

    def after(self, said: str) -> str:
        """A sentence, and the reason behind it."""
        return f"{said}: {self}" if self.args else said


def from_jpeg(data: bytes, request: Request) -> tuple[Image, Layout]:
    """A camera's picture at the width that was asked for.

    Raises TransientError for what is none.
    """
    try:
        return decode(data, request.width), "bgr"
    except PictureError as error:
        raise TransientError(error.after(f"{request.shown}: sends what is not a picture")) from None


def decoded(data: bytes, width: int = 0) -> Image | None:
    """As `decode`; None for what is no picture."""
    try:
        return decode(data, width)
    except PictureError:
        return None


def decode(data: bytes, width: int = 0) -> Image:
    """(rows, columns, 3) B,G,R at most `width` wide (0: whole), from memory.

    Nothing is decoded before its header has said that it fits: JPEGs of over LARGEST pixels come
    at a half or a quarter; everything else of over LARGEST bytes a channel is refused.
    Decoding needs at most DECODING_BYTES beside `data`. Raises PictureError.
    """
    data = data.lstrip(BLANKS)
    header = read_header(data)
    if header is None:
        raise PictureError
    flag = cv2.IMREAD_COLOR if header.sample_bytes != 2 else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    size = header.rows * header.columns * header.sample_bytes * header.canvases
    if header.reducible:
        share = _share(header, width)
        flag, size = REDUCED.get(share, flag), size // share**2
    if max(size, header.rows * header.columns // SLOWEST) > LARGEST:
        raise PictureError(f"{header.columns}x{header.rows} pixels are too many")
    pixels = _pixels(essence(data) if header.kind == "png" else data, flag)
    if pixels is None and header.kind == "jpeg":
        pixels = _without_end(data, flag, header.rows)
    if pixels is None:
        raise PictureError("it is damaged or cut off")
    return scaled(_eight_bits(pixels), width)


def _share(header: Header, width: int) -> int:
    """By what a JPEG is divided while it is decoded: its sides stay as long as is asked for."""
    across = header.rows if header.orientation >= 5 else header.columns
    share, pixels = 1, header.rows * header.columns
    for smaller in REDUCED:
        if (width and across >= smaller * width) or pixels > LARGEST * (smaller / 2) ** 2:
            share = smaller
    return share


def _pixels(data: bytes | None, flag: int) -> npt.NDArray[Any] | None:
    if not data:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:
        return None


def _without_end(data: bytes, flag: int, rows: int) -> npt.NDArray[Any] | None:
    """A JPEG of so many rows whose last bytes are missing; None if more is than a few rows.

    Decoders fill what is missing with grey. So it is decoded twice, once with other data after
    its own: down to where both are the same, the picture is there.
    """
    lying = flag | cv2.IMREAD_IGNORE_ORIENTATION
    grey, filled = _pixels(data + END, lying), _pixels(data + FILLER + END, lying)
    if grey is None or filled is None:
        return None
    differ = np.flatnonzero((grey != filled).any(axis=(1, 2)))
    lacking = 1 - differ[0] / len(grey) if len(differ) else 0.0
    return (
        _pixels(data + END, flag)
        if lacking <= min(0.5, max(LACKING_ROWS / rows, LACKING))
        else None
    )


def _eight_bits(pixels: npt.NDArray[Any]) -> Image:
    """The high byte of 16 bits; of 12, which scientific and thermal cameras put into the lower
    bits of 16: their picture would be black."""
    if pixels.dtype == np.uint16:
        twelve = int(pixels.max()) < TWELVE_BITS
        pixels = np.right_shift(pixels, 4 if twelve else 8)
    return np.asarray(pixels, np.uint8)


def scaled(image: Image, width: int) -> Image:
    """At most `width` pixels wide (0: as it is), each pixel the mean of those it stands for."""
    rows, columns = image.shape[:2]
    if not 0 < width < columns:
        return image
    size = (width, max(1, round(rows * width / columns)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
