"""OpenCV or PyAV for an RTSP camera? `python -m tests.benchmarks.readers`

A real server on loopback plays 1280x720 H.264 at 15 frames a second. Each reader runs in a process
of its own and hands out B,G,R pictures 640 wide: seconds until the first picture, how much of the
first second's pictures is old, milliseconds of CPU a frame, seconds until a dead and a hung server
are noticed (with a limit of 4 s).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from edge.types import Image
from tests.cameras.servers import RtspServer, encode, picture

LIMIT_S = 4.0
FRAMES = 150


def main() -> None:
    """A line for each reader and each end of the server."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = [picture(number, 1280, 720) for number in range(60)]
        clip = encode(Path(folder) / "clip.h264", pictures)
        for reader in ("opencv", "pyav"):
            for end in ("dies", "hangs"):
                with RtspServer(clip) as server:
                    print(reader, end, measured(reader, end, server))


def measured(reader: str, end: str, server: RtspServer) -> dict[str, float]:
    """Read FRAMES, end the server, wait until the reader says so."""
    command = [sys.executable, "-m", "tests.benchmarks.readers", reader, server.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        figures: dict[str, float] = json.loads(process.stdout.readline())
        if end == "dies":
            server.kill()
        else:
            server.hang()
        began_s = time.monotonic()
        late = sum(1 for line in process.stdout if line.startswith("frame"))
        figures["noticed_s"] = round(time.monotonic() - began_s, 1)
        figures["frames_after"] = late
    return figures


def read(reader: str, address: str) -> None:
    """The process: figures after FRAMES, then a line for every frame until the end."""
    began_s = time.monotonic()
    frames = opencv(address) if reader == "opencv" else pyav(address)
    next(frames)
    first_s = time.monotonic() - began_s
    burst, before = 0, os.times()
    for number in range(FRAMES):
        next(frames)
        burst += time.monotonic() - began_s - first_s < (number + 1) / 30
    after = os.times()
    cpu_s = after.user + after.system - before.user - before.system
    figures = {
        "first_s": round(first_s, 1),
        "burst_frames": burst,
        "cpu_ms": round(1000 * cpu_s / FRAMES, 2),
    }
    print(json.dumps(figures), flush=True)
    for _ in frames:
        print("frame", flush=True)


def opencv(address: str) -> Iterator[Image]:
    """As its documentation has it, with both timeouts."""
    import cv2

    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "rtsp_transport;tcp"
    limits = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(LIMIT_S * 1000)),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(LIMIT_S * 1000)),
    ]
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    while True:
        there, image = capture.read()
        if not there:
            return
        yield cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA).astype(
            "uint8", copy=False
        )


def pyav(address: str) -> Iterator[Image]:
    """As edge.capture does it."""
    from edge.capture.stream import live
    from edge.capture.wire import Request
    from edge.errors import TransientError

    request = Request("rtsp", address, address, width=640, fps=0.0, timeout_s=LIMIT_S)
    try:
        for convert in live(request):
            yield convert()[0]
    except TransientError:
        return


if __name__ == "__main__":
    if len(sys.argv) > 1:
        read(sys.argv[1], sys.argv[2])
    else:
        main()
