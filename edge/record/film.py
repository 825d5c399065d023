"""JPEGs with their moments -> a WebM file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edge.types import Image


class Shot(NamedTuple):
    """One frame of a clip."""

    mono_s: float
    jpeg: bytes


def fitted(image: Image, columns: int, rows: int) -> Image:
    """A picture of another size with black around it: OpenCV drops it from a film in silence."""
    if image.shape[:2] == (rows, columns):
        return image
    share = min(columns / image.shape[1], rows / image.shape[0])
    size = (max(1, round(image.shape[1] * share)), max(1, round(image.shape[0] * share)))
    left, top = (columns - size[0]) // 2, (rows - size[1]) // 2
    whole = np.zeros((rows, columns, 3), np.uint8)
    whole[top : top + size[1], left : left + size[0]] = cv2.resize(image, size)
    return whole


def film(path: Path, shots: Sequence[Shot]) -> None:
    """WebM with VP8: the one codec of OpenCV's own build that browsers play. Raises OSError."""
    seconds = shots[-1].mono_s - shots[0].mono_s
    fps = (len(shots) - 1) / seconds if seconds > 0 else 1.0
    writer: cv2.VideoWriter | None = None
    for shot in shots:
        decoded = cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            continue
        image = np.asarray(decoded, np.uint8)
        if writer is None:
            code = cv2.VideoWriter.fourcc(*"VP80")
            columns, rows = image.shape[1], image.shape[0]
            writer = cv2.VideoWriter(str(path), code, fps, (columns, rows))
        writer.write(fitted(image, columns, rows))
    if writer is not None:
        writer.release()
    if not path.exists():
        raise OSError("OpenCV writes no VP8 video here; set record.clips = false")
    if not _is_whole(path):
        raise OSError("the disk took only a part of the clip; is it full?")


def _is_whole(path: Path) -> bool:
    """OpenCV says nothing of a full disk; the length is what comes last into the file."""
    clip = cv2.VideoCapture(str(path))
    try:
        return clip.get(cv2.CAP_PROP_FRAME_COUNT) >= 1
    finally:
        clip.release()
