"""A Request on stdin -> frames in shared memory: the whole life of a camera's process."""

import json
import os
import sys
import time
from collections.abc import Iterator
from threading import Lock, Thread
from typing import BinaryIO

from edge.capture.trouble import in_words
from edge.capture.wire import SLOTS, Arrived, Failed, Picture, Request, Slots, say
from edge.errors import FatalError, HedgerowError, TransientError
from edge.text import shown

EARLY = 0.25
"""Share of the interval by which a frame may come before it is due."""
LINE = 500
"""Letters of a reason: what libraries and servers say is in it."""
TORN = 5
"""So many undecodable pictures in a row are a camera that does not work."""


def main(memory: int) -> None:
    """Runs until the camera fails or the daemon closes stdin; `memory` is the shared descriptor."""
    lines = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print must not be taken for a message
    request = Request(**json.loads(sys.stdin.buffer.readline()))
    sender = Sender(request, Slots(memory), lines)
    Thread(target=sender.listen, args=(sys.stdin.buffer,), daemon=True).start()
    try:
        for picture in grab(request):
            sender.send(picture)
        failed = Failed(f"{request.shown}: gives no more frames")
    except HedgerowError as error:
        wait_s = error.wait_s if isinstance(error, TransientError) else 0.0
        message = str(error).removeprefix(f"{request.shown}: ")
        line = shown(f"{request.shown}: {message}", LINE)
        failed = Failed(line, isinstance(error, FatalError), wait_s)
    except Exception as error:  # noqa: BLE001  its text may hold the address with the password
        failed = Failed(f"{request.shown}: {in_words(error)}")
    try:
        lines.write(say(failed))
    finally:
        os._exit(0)  # a camera library may hang when it is taken down


def grab(request: Request) -> Iterator[Picture]:
    """The camera's frames as they arrive, each not yet converted."""
    match request.scheme:
        case "rtsp" | "v4l2":
            from edge.capture.stream import live

            return live(request)
        case "http":
            from edge.capture.web import web

            return web(request)
        case "picamera":
            from edge.capture.picamera import picamera

            return picamera(request)
        case "gst":
            from edge.capture.gstreamer import gstreamer

            return gstreamer(request)


class Sender:
    """Puts into shared memory what is due and what there is room for."""

    def __init__(self, request: Request, slots: Slots, lines: BinaryIO) -> None:
        self._slots = slots
        self._lines = lines
        self._interval_s = 1.0 / request.fps if request.fps else 0.0
        self._due_s = 0.0
        self._missed = 0
        self._torn = 0
        self._free = list(range(SLOTS))
        self._lock = Lock()

    def listen(self, given_back: BinaryIO) -> None:
        """Slots that are free again, a byte each; at the end the daemon is gone, and so are we."""
        while byte := given_back.read(1):
            with self._lock:
                self._free.append(byte[0])
        os._exit(0)

    def send(self, picture: Picture) -> None:
        """Convert and tell a frame, unless it comes too early or nobody has room for it."""
        now_s, unix_s = time.monotonic(), time.time()
        if now_s < self._due_s - EARLY * self._interval_s:
            return
        with self._lock:
            slot = self._free.pop() if self._free else None
        if slot is None:
            self._missed += 1
            return
        try:
            pixels, layout = picture()
        except TransientError:
            self._torn += 1
            if self._torn >= TORN:
                raise
            with self._lock:
                self._free.append(slot)
            return
        self._torn = 0
        if not self._slots.fits(pixels):
            self._wait_for_all()
        self._slots.write(slot, pixels)
        height = pixels.shape[0] if layout == "bgr" else pixels.shape[0] * 2 // 3
        message = Arrived(slot, height, pixels.shape[1], layout, now_s, unix_s, self._missed)
        self._lines.write(say(message))
        self._missed = 0
        self._due_s = max(self._due_s + self._interval_s, now_s)

    def _wait_for_all(self) -> None:
        """Until the daemon reads none of the slots: they are about to move."""
        while True:
            with self._lock:
                if len(self._free) == SLOTS - 1:
                    return
            time.sleep(0.005)
