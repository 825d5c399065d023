"""A picture file's bytes -> whether it asks to be shown turned."""

import struct

UPRIGHT = 1
ORIENTATION = 0x0112
"""The tag in the first directory of EXIF's TIFF (CIPA DC-008, table 4)."""
EXIF = b"Exif\0\0"
START_OF_SCAN = 0xDA
MOST_TAGS = 1000


def turned(data: bytes) -> bool:
    """Whether the file's EXIF says another orientation than upright. OpenCV obeys it and the
    device with it; Keras and TensorFlow's decoders ignore it."""
    return orientation(data) not in (0, UPRIGHT)


def orientation(data: bytes) -> int:
    """1 to 8 as EXIF counts them; 0 if the file does not say."""
    if data.startswith(b"\xff\xd8"):
        return _in_jpeg(data)
    if data.startswith(b"\x89PNG"):
        at = data.find(b"eXIf", 0, 1 << 20)
        return _in_tiff(data[at + 4 : at + 65540]) if at > 0 else 0
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        at = data.rfind(b"EXIF")
        return _in_tiff(data[at + 8 : at + 65544].removeprefix(EXIF)) if at > 0 else 0
    return 0


def _in_jpeg(data: bytes) -> int:
    """Of the APP1 segment before the scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != START_OF_SCAN:
        length = int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == EXIF:
            return _in_tiff(data[at + 10 : at + 2 + length])
        at += 2 + max(2, length)
    return 0


def _in_tiff(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 10:
        return 0
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    if at + 2 > len(tiff):
        return 0
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for number in range(min(count, MOST_TAGS)):
        place = at + 2 + 12 * number
        if place + 12 > len(tiff):
            break
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, place)
        if tag == ORIENTATION:
            return int(value) if 1 <= value <= 8 else 0
    return 0
