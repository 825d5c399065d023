"""An encoded picture's own header -> its size, before any of it is decoded."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of the JPEG segment that tells the size (ITU-T T.81, table B.1)."""
SEQUENTIAL = {0xC0, 0xC1, 0xC9}
"""Those whose pictures may be decoded row by row, and so at a reduced size."""
SCAN, ALONE, ENDS = 0xDA, {0x01, *range(0xD0, 0xD8)}, {0xD8, 0xD9}
MARKER = re.compile(rb"\xff([^\x00\xff])")
"""As libjpeg looks for the next one: over fill bytes and over stray ones."""
MOST_SEGMENTS = 4096
CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"}
MOST_CHUNKS = 100_000
NUMBER = rb"(?:\s|#[^\n]*\n)+(\d{1,9})"
NETPBM = re.compile(rb"P([1-6])" + NUMBER * 2 + rb"(?:" + NUMBER + rb")?")
ORIENTATION, WIDTH, HEIGHT, BITS = 0x112, 256, 257, 258
TILE_WIDTH, TILE_HEIGHT = 322, 323
ANIMATED = 2
"""Among the flags of a WebP."""
FIELDS = {1: "B", 3: "H", 4: "I"}
"""TIFF's types of whole numbers: BYTE, SHORT, LONG."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture says of itself."""

    kind: str
    """jpeg, png, webp, tiff, bmp, gif or netpbm."""
    rows: int
    columns: int
    sample_bytes: int = 1
    """Of one channel of one pixel."""
    reducible: bool = False
    """Whether it can be decoded at a reduced size without holding all of it."""
    orientation: int = 1
    """EXIF's: 1 is upright, 5 to 8 lie on their side."""
    canvases: int = 1
    """How often the decoder holds it at once."""


def read_header(data: bytes) -> Header | None:
    """By the first bytes; None for what is no picture of these kinds.

    Formats whose size cannot be told by reading a few bytes (AVIF, HEIC, JPEG 2000) are refused
    by that: 10 kB of them may stand for gigabytes of pixels.
    """
    try:
        header = _read(data)
    except (struct.error, IndexError):
        return None
    return header if header and header.rows > 0 and header.columns > 0 else None


def is_complete(data: bytes) -> bool:
    """Whether a picture's last bytes are there, as a file shows that is still being written.

    False where a kind has no mark at its end; nothing is said of what lies between.
    """
    match data[:2]:
        case b"\xff\xd8":
            return data.rstrip(b"\x00\r\n").endswith(b"\xff\xd9")
        case b"\x89P":
            return data[-8:-4] == b"IEND"
        case b"RI":
            return len(data) >= 8 + int.from_bytes(data[4:8], "little") > 8
        case b"BM":
            return len(data) >= int.from_bytes(data[2:6], "little") > 0
    return False


def _read(data: bytes) -> Header | None:
    for start, reader in KINDS.items():
        if data.startswith(start):
            return reader(data)
    return None


def _png(data: bytes) -> Header | None:
    columns, rows, bits = struct.unpack_from(">IIB", data, 16)
    first = data[12:16] == b"IHDR"
    return Header("png", rows, columns, 2 if bits == 16 else 1) if first else None


def essence(data: bytes) -> bytes | None:
    """A PNG's own pixels, without animation and texts; None where it is damaged or cut off.

    OpenCV makes room for what a chunk says that it is long, up to 4 GB, before it reads it.
    """
    kept, at = [data[:8]], 8
    for _ in range(MOST_CHUNKS):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            return None
        if kind in CHUNKS:
            kept.append(data[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    return None


def _gif(data: bytes) -> Header:
    columns, rows = struct.unpack_from("<HH", data, 6)
    return Header("gif", rows, columns)


def _jpeg(data: bytes) -> Header | None:
    size, orientation, channels, reducible = (0, 0), 1, 0, False
    for kind, body in _segments(data):
        if kind in FRAMES and not channels:
            rows, columns, channels = struct.unpack_from(">HHB", body, 1)
            size, reducible = (rows, columns), kind in SEQUENTIAL
        elif kind == 0xE1 and body.startswith(b"Exif\x00\x00"):
            orientation = _orientation(body[6:])
        elif kind == SCAN:
            # libjpeg keeps all coefficients of a picture whose channels come one after another
            reducible = reducible and body[0] == channels
            canvases = 2 if channels > 3 and not reducible else 1
            return Header("jpeg", *size, 1, reducible, orientation, canvases)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """A JPEG's markers and what belongs to them, up to its first scan."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        found = MARKER.search(data, at)
        if found is None or found[1][0] in ENDS:
            return
        kind, at = found[1][0], found.end()
        if kind in ALONE:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        yield kind, data[at + 2 : at + length]
        if kind == SCAN or length < 2:
            return
        at += length


def _orientation(exif: bytes) -> int:
    try:
        value = _fields(exif).get(ORIENTATION, 1)
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def _tiff(data: bytes) -> Header:
    """Its first picture; the decoder has room for whole tiles, however small the picture is."""
    fields = _fields(data)
    rows = max(fields[HEIGHT], fields.get(TILE_HEIGHT, 0)) if HEIGHT in fields else 0
    columns = max(fields[WIDTH], fields.get(TILE_WIDTH, 0)) if WIDTH in fields else 0
    sample_bytes = max(1, fields.get(BITS, 1) // 8)
    return Header("tiff", rows, columns, sample_bytes)


def _fields(data: bytes) -> dict[int, int]:
    """The whole numbers of a TIFF's first directory, the largest where there are several."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    (entries,) = struct.unpack_from(f"{order}H", data, start)
    fields: dict[int, int] = {}
    for entry in range(entries):
        at = start + 2 + 12 * entry
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, at)
        if kind not in FIELDS or not count:
            continue
        layout = f"{order}{min(count, 64)}{FIELDS[kind]}"
        place = at + 8
        if struct.calcsize(layout) > 4:
            (place,) = struct.unpack_from(f"{order}I", data, place)
        if tag in (WIDTH, HEIGHT, BITS, ORIENTATION, TILE_WIDTH, TILE_HEIGHT):
            value = max(struct.unpack_from(layout, data, place))
            fields[tag] = max(value, fields.get(tag, 0))
    return fields


def _webp(data: bytes) -> Header | None:
    match data[8:16]:
        case b"WEBPVP8X":
            packed = int.from_bytes(data[24:30], "little")
            rows, columns = (packed >> 24) + 1, (packed & 0xFFFFFF) + 1
            return Header("webp", rows, columns, canvases=2 if data[20] & ANIMATED else 1)
        case b"WEBPVP8L":
            packed = int.from_bytes(data[21:25], "little")
            return Header("webp", (packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1)
        case b"WEBPVP8 ":
            columns, rows = struct.unpack_from("<HH", data, 26)
            return Header("webp", rows & 0x3FFF, columns & 0x3FFF)
    return None


def _bmp(data: bytes) -> Header:
    (length,) = struct.unpack_from("<I", data, 14)
    columns, rows = struct.unpack_from("<HH" if length == 12 else "<ii", data, 18)
    return Header("bmp", abs(rows), abs(columns))


def _netpbm(data: bytes) -> Header | None:
    """PBM, PGM and PPM; a PBM's third number, if there is one, is pixels."""
    found = NETPBM.match(data[:4096])
    if found is None:
        return None
    columns, rows, largest = (int(number or 0) for number in found.groups()[1:])
    wide = largest > 255 and found[1] not in (b"1", b"4")
    return Header("netpbm", rows, columns, 2 if wide else 1)


KINDS: dict[bytes, Callable[[bytes], Header | None]] = {
    b"\xff\xd8": _jpeg,
    b"\x89PNG": _png,
    b"RIFF": _webp,
    b"II*\x00": _tiff,
    b"MM\x00*": _tiff,
    b"GIF8": _gif,
    b"BM": _bmp,
    b"P": _netpbm,
}
"""By how they begin."""
