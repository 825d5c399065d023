"""A camera in a process of its own -> frames. It is killed where it says nothing for too long."""

import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

import cv2
import numpy as np

import edge
from edge.address import hidden
from edge.capture.wire import Arrived, Failed, Request, Slots, heard, patience_s
from edge.errors import FatalError, TransientError
from edge.sources.devices import Known
from edge.sources.newest import Newest
from edge.text import decoded
from edge.types import Frame

log = logging.getLogger(__name__)

OPENING_S = 40.0
"""How long a camera may take to its first frame, with the start of its process: on a device that
boots, that alone may take ten seconds. The process itself gives up sooner on a silent camera."""
SLACK_S = 1.0
"""How much longer than the camera's own limit we wait: it knows better what went wrong."""
GLANCE_S = 0.1
"""How soon a stop is noticed."""
GONE_S = 2.0
"""How long a process may take to be gone after it was killed."""
LONGEST = 4096
"""Bytes of a printed line that are looked at."""
SYSTEM_PYTHON = "/usr/bin/python3"
"""Has picamera2 and GStreamer, which no virtual environment can bring; another one may be named in
HEDGEROW_SYSTEM_PYTHON."""
START = """
import json, sys
sys.path += sys.argv[2:]
try:
    from edge.capture.child import main
except ImportError as error:
    message = f"{sys.executable}: {error}: apt install python3-numpy"
    print(json.dumps({"failed": {"message": message, "wait_s": 60.0}}))
else:
    main(int(sys.argv[1]))
"""
"""Our packages come last: the system's Python keeps its own NumPy where it has one."""


class Camera(Newest):
    """The newest frame of what a Request describes."""

    def __init__(self, ask: Callable[[], Request], known: Known) -> None:
        """`ask` is called when the camera is opened; it may raise a HedgerowError."""
        super().__init__(lambda stopped: _grab(ask(), stopped, known))


def _grab(request: Request, stopped: Event, known: Known | None = None) -> Iterator[Frame]:
    """Raises what the camera's process fails with, TransientError where it hangs, OSError where
    there is no process to be had."""
    memory = os.memfd_create("frames")
    slots = Slots(memory)
    try:
        child = _start(request, memory)
        try:
            _tell(child, request)
            yield from _frames(request, child, slots, _Listener(child, stopped, known or Known()))
        finally:
            _end(child)
    finally:
        slots.close()
        os.close(memory)


def _start(request: Request, memory: int) -> subprocess.Popen[bytes]:
    system = os.environ.get("HEDGEROW_SYSTEM_PYTHON", SYSTEM_PYTHON)
    needed = request.scheme in ("picamera", "gst") and Path(system).exists()
    python = system if needed else sys.executable
    packages = {str(Path(module).resolve().parents[1]) for module in (edge.__file__, np.__file__)}
    quiet = {"OPENCV_LOG_LEVEL": "ERROR", "LIBCAMERA_LOG_LEVELS": "*:ERROR", "GST_DEBUG": "0"}
    return subprocess.Popen(  # noqa: S603  what to run is fixed; the source is data on its stdin
        [python, "-c", START, str(memory), *packages],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=(memory,),
        start_new_session=True,  # Ctrl-C is for the daemon
        env=os.environ | quiet,
    )


def _tell(child: subprocess.Popen[bytes], request: Request) -> None:
    assert child.stdin is not None
    with suppress(BrokenPipeError):  # it has ended; how, is noticed soon
        child.stdin.write(request.to_json().encode() + b"\n")


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):  # a driver that hangs holds even the dead
        child.wait(GONE_S)


def _frames(
    request: Request, child: subprocess.Popen[bytes], slots: Slots, listener: "_Listener"
) -> Iterator[Frame]:
    assert child.stdin is not None
    for line in listener.lines(request):
        message = heard(line)
        if isinstance(message, Failed):
            raise _error(message)
        pixels = slots.read(message)
        with suppress(BrokenPipeError):  # it has ended; what it said last comes next
            child.stdin.write(bytes([message.slot]))
        yield _frame(message, pixels)


class _Listener:
    """What a camera's process says, and what its libraries print."""

    def __init__(self, child: subprocess.Popen[bytes], stopped: Event, known: Known) -> None:
        assert child.stdout is not None and child.stderr is not None
        self._child = child
        self._stopped = stopped
        self._known = known
        self._said, self._printed = child.stdout.fileno(), child.stderr.fileno()
        self._open = [self._said, self._printed]
        self._rest = b""

    def lines(self, request: Request) -> Iterator[bytes]:
        """Line by line, until `stopped`; each within the limit."""
        pending = b""
        heard_s, limit_s = time.monotonic(), OPENING_S
        while not self._stopped.is_set():
            ready = select.select(self._open, [], [], GLANCE_S)[0]
            if self._printed in ready:
                self._print(os.read(self._printed, 65536), request.shown)
            if self._said not in ready:
                if time.monotonic() - heard_s > limit_s:
                    raise TransientError(
                        f"{request.shown}: hangs: nothing for {limit_s:g} s; its process is ended"
                    )
                continue
            data = os.read(self._said, 65536)
            if not data:
                self._print(b"\n", request.shown)  # the line that it died in
                raise TransientError(f"{request.shown}: its process ended with {self._ended()}")
            *lines, pending = (pending + data).split(b"\n")
            yield from lines
            heard_s, limit_s = time.monotonic(), patience_s(request) + SLACK_S

    def _print(self, data: bytes, shown: str) -> None:
        """To the log, seldom and with the source's name: libjpeg prints a line per picture."""
        if not data:
            self._open.remove(self._printed)
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST:]
        for line in filter(None, lines):
            text = self._known.printed.say(hidden(decoded(line).strip()), time.monotonic())
            if text is not None:
                log.warning("source %s: its libraries say: %s", self._known.name or shown, text)

    def _ended(self) -> str:
        status = self._child.wait(timeout=5)
        return f"signal {-status}" if status < 0 else f"status {status}"


def _error(failed: Failed) -> FatalError | TransientError:
    if failed.fatal:
        return FatalError(failed.message)
    return TransientError(failed.message, failed.wait_s)


def _frame(message: Arrived, pixels: np.typing.NDArray[np.uint8]) -> Frame:
    if message.layout == "i420":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_YUV2BGR_I420), np.uint8)
    return Frame(pixels, message.mono_s, message.unix_s, message.mono_s, dropped=message.missed)
