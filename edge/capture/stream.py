"""RTSP, V4L2 and video files -> frames. The only module that imports PyAV (FFmpeg)."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from edge.address import read
from edge.capture.jpeg import from_jpeg
from edge.capture.relay import refused, relayed
from edge.capture.trouble import in_words
from edge.capture.wire import LARGEST, Layout, Picture, Request
from edge.errors import FatalError, TransientError
from edge.types import Image

FIRST_S = 15.0
"""How long its first picture may take: some cameras send a whole one only every ten seconds."""
NETWORK = "rtp,udp,tcp"
"""Protocols that an RTSP stream may lead to: no file, no pipe, no other server's playlist, and no
TLS of FFmpeg's, which takes any certificate."""
RTSP = {
    "protocol_whitelist": NETWORK,
    "fflags": "nobuffer",
    "flags": "low_delay",
    "fpsprobesize": "0",
    "analyzeduration": "200000",
}
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,h264,hevc,m4v,gif,mjpeg,flv,ogg,asf,ivf"
"""Formats that hold pictures themselves; playlists, which name other files, are not among them."""


def live(request: Request) -> Iterator[Picture]:
    """Frames of an RTSP server or a V4L2 device as they arrive, until it stops.

    Raises TransientError with what to do; never with the address, which may hold a password.
    """
    with _opened(request) as container:
        if not container.streams.video:
            sound = "sound, but " if container.streams.audio else ""
            raise TransientError(f"{request.shown}: sends {sound}no video")
        stream = container.streams.video[0]
        # Threads by frame hold pictures back, threads by slice tear them.
        stream.thread_type = "NONE"
        last_s, limit_s = time.monotonic(), FIRST_S
        for packet in container.demux(stream):
            if time.monotonic() - last_s > limit_s:  # FFmpeg hands out an old one when time is up
                raise TransientError(f"{request.shown}: has sent no picture for {limit_s:g} s")
            for picture in _pictures(packet, request):
                last_s, limit_s = time.monotonic(), request.timeout_s
                yield picture


def _pictures(packet: "av.Packet[VideoStream]", request: Request) -> list[Picture]:
    """The packet's frames; none where something was lost on the way.

    MJPEG's are not decoded before somebody wants them, and then by libjpeg-turbo at reduced size:
    1.2 ms instead of 3.5 for 1280x720 at half its width.
    """
    if packet.stream.codec_context.name == "mjpeg":
        return [partial(from_jpeg, bytes(packet), request)] if packet.size else []
    try:
        frames = [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except av.error.InvalidDataError:
        return []
    return [partial(_converted, frame, request.width) for frame in frames]


@contextmanager
def _opened(request: Request) -> Iterator[InputContainer]:
    """Translates every error of FFmpeg's into ours."""
    began_s = time.monotonic()
    try:
        with _container(request) as container:
            if time.monotonic() - began_s >= request.timeout_s:
                raise TransientError(f"{request.shown}: answers, but sends no picture")
            began_s = float("inf")
            yield container
    except (av.error.FFmpegError, OSError) as error:
        silent = time.monotonic() - began_s >= request.timeout_s
        raise TransientError(f"{request.shown}: {_why(error, request, silent)}") from None


def _why(error: Exception, request: Request, silent: bool) -> str:
    """In words that say nothing of the address."""
    if silent:
        return "does not answer"
    match error:
        case av.error.HTTPNotFoundError():
            return "the server has no such stream"
        case av.error.TimeoutError() | av.error.ExitError():
            return f"has sent no picture for {request.timeout_s:g} s"
        case av.error.EOFError():
            return "has ended"
    return in_words(error)


def _container(request: Request) -> AbstractContextManager[InputContainer]:
    """FFmpeg's options are fixed here: none comes from the configuration."""
    if request.scheme == "rtsp":
        return _rtsp(request)
    limits = (request.timeout_s, request.timeout_s)
    size = "x".join(map(str, request.options["size"]))
    if request.options["format"] != "raw":
        try:
            options = {"video_size": size, "input_format": "mjpeg"}
            return av.open(request.address, format="v4l2", options=options, timeout=limits)
        except av.error.FFmpegError:
            if request.options["format"] == "mjpeg":
                raise
    return av.open(request.address, format="v4l2", options={"video_size": size}, timeout=limits)


@contextmanager
def _rtsp(request: Request) -> Iterator[InputContainer]:
    """With the password in each encoding that the camera may mean; over TLS by way of a relay."""
    address, limits = read(request.address), (request.timeout_s, request.timeout_s)
    udp = request.udp and address.scheme == "rtsp"
    options = RTSP | {"rtsp_transport": "udp" if udp else "tcp"}
    for encoding in address.encodings:
        with ExitStack() as attempt:
            near = address
            if address.scheme == "rtsps":
                near = attempt.enter_context(relayed(address, request))
            url = near.url(encoding)
            try:
                container = av.open(url, format="rtsp", options=options, timeout=limits)
            except av.error.HTTPUnauthorizedError:
                continue
            yield attempt.enter_context(container)
            return
    raise refused(address, request)


def _converted(frame: av.VideoFrame, width: int) -> tuple[Image, Layout]:
    """B,G,R, scaled down to `width` in the same pass."""
    if not 0 < frame.width * frame.height <= LARGEST:
        raise TransientError(f"a frame of {frame.width}x{frame.height} pixels is too large")
    columns, rows = frame.width, frame.height
    if 0 < width < columns:
        columns, rows = width, max(1, round(rows * width / columns))
    pixels = frame.to_ndarray(format="bgr24", width=columns, height=rows, interpolation="AREA")
    return np.asarray(pixels, np.uint8), "bgr"


class Recording:
    """A video file's frames in order: `for at_s, picture in recording`."""

    def __init__(self, path: Path, width: int, step_s: float) -> None:
        """`step_s`: how far apart the frames are that will be looked at; 0: all of them.

        Raises FatalError for what is no video that can be decoded.
        """
        self._shown = f"file:{path}"
        options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
        try:
            self._container = av.open(str(path), options=options)
        except (av.error.FFmpegError, OSError):
            raise FatalError(f"{self._shown}: is not a video that can be decoded") from None
        if not self._container.streams.video:
            raise FatalError(f"{self._shown}: holds no video")
        self._stream = self._container.streams.video[0]
        self._width = width
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        """Frames a second."""
        microseconds = self._container.duration
        self.length_s = microseconds / 1e6 if microseconds else 0.0
        """As the header has it; 0 where it says nothing."""
        self._stream.thread_type = "FRAME"
        if step_s > 1.5 / self.rate:
            self._stream.thread_type = "NONE"  # a fifth less work, where there is time
            self._stream.codec_context.skip_frame = "NONREF"  # nobody needs them, not even decoders

    def __iter__(self) -> Iterator[tuple[float, Picture]]:
        """Seconds from the first frame, and the frame, not yet converted. Ends where the file does,
        or where it cannot be decoded any further."""
        start_s: float | None = None
        try:
            for number, frame in enumerate(self._container.decode(self._stream)):
                time_s = number / self.rate if frame.time is None else float(frame.time)
                start_s = time_s if start_s is None else start_s
                yield time_s - start_s, partial(_upright, frame, self._width)
        except av.error.FFmpegError:
            return

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


def _upright(frame: av.VideoFrame, width: int) -> tuple[Image, Layout]:
    """Turned as the file says that it is to be shown: telephones film on their side."""
    turns = round(frame.rotation / 90) % 4
    if turns % 2:
        width = width * frame.width // frame.height
    pixels, layout = _converted(frame, width)
    return np.ascontiguousarray(np.rot90(pixels, turns)), layout
