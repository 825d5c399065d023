"""A V4L2 camera -> frames. OpenCV's capture, opened, read and closed by one thread."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from edge.errors import TransientError
from edge.sources.newest import Newest
from edge.types import Frame


class Camera(Newest):
    """`v4l2:/dev/videoN`: the newest frame of a camera that the kernel knows."""

    def __init__(self, device: str, fps: float = 0.0) -> None:
        super().__init__(lambda stopped: _grab(device, stopped), fps)


def _grab(device: str, stopped: Event) -> Iterator[Frame]:
    """Raises TransientError with what to do where the camera is not there or stops."""
    if not Path(device).exists():
        raise TransientError(f"v4l2:{device}: there is no such camera; is it plugged in?")
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    try:
        if not capture.isOpened():
            raise TransientError(
                f"v4l2:{device}: cannot be opened: in use, or you are not in the group video"
            )
        while not stopped.is_set():
            arrived, image = capture.read()
            if not arrived:
                raise TransientError(f"v4l2:{device}: gives no more frames")
            now_s = time.monotonic()
            yield Frame(np.asarray(image, np.uint8), now_s, time.time(), now_s)
    finally:
        capture.release()
