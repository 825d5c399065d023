"""RTSP and V4L2 -> frames, through PyAV (FFmpeg)."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from edge.address import read
from edge.capture.display import Display, aspect, pixels
from edge.capture.jpeg import from_jpeg
from edge.capture.relay import refused, relayed
from edge.capture.trouble import in_words
from edge.capture.wire import Picture, Request
from edge.errors import TransientError

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
    display = Display(request.width, aspect(packet.stream), coded=request.scheme != "v4l2")
    return [partial(pixels, frame, display) for frame in frames]


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
