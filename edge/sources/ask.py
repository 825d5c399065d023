"""A source's section of edge.toml -> what its camera's process is asked for."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from edge.capture.wire import Request
from edge.config import SourceConfig
from edge.errors import FatalError, TransientError
from edge.sources.devices import Known, find

SCHEMES = (
    "rtsp://, http://, usb:N, v4l2:/dev/videoN, picamera:N, csi:N, gst:PIPELINE, "
    "dir:FOLDER, file:VIDEO, demo:"
)
CSI = (
    "nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM) ! nvvidconv ! "
    "video/x-raw,format=BGRx,width={width},height={height}"
)
"""A Jetson's own camera: captured, scaled and converted by its hardware."""

Scheme = Literal["rtsp", "http", "v4l2", "picamera", "gst"]


def asked(config: SourceConfig, known: Known) -> Callable[[], Request]:
    """Checked now, made whenever the camera is opened: devices move, passwords change.

    Raises FatalError for a URI that is none of SCHEMES.
    """
    uri = canonical(config.uri)
    scheme, _, rest = uri.partition(":")
    match scheme:
        case "rtsp" | "rtsps" | "http" | "https":
            _check(uri)
            kind: Scheme = "rtsp" if scheme.startswith("rtsp") else "http"
            return lambda: _request(config, kind, _address(uri, config))
        case "usb" if rest.isdecimal():
            return lambda: _request(config, "v4l2", find(f"/dev/video{rest}", known))
        case "v4l2" if rest.startswith("/dev/"):
            return lambda: _request(config, "v4l2", find(rest, known))
        case "picamera" if rest.isdecimal():
            return partial(_request, config, "picamera", rest)
        case "csi" if rest.isdecimal():
            width = config.width or 1280
            pipeline = CSI.format(number=rest, width=width, height=width * 9 // 16)
            return partial(_request, config, "gst", pipeline)
        case "gst" if rest.strip():
            return partial(_request, config, "gst", rest)
        case _:
            raise FatalError(f"source {redacted(uri)!r}: expected one of {SCHEMES}")


def _request(config: SourceConfig, scheme: Scheme, address: str) -> Request:
    options: dict[str, Any] = {}
    if scheme == "v4l2":
        options = config.v4l2.model_dump()
    elif scheme == "picamera":
        options = config.picamera.model_dump()
    return Request(
        scheme=scheme,
        address=address,
        shown=redacted(canonical(config.uri)),
        width=width(config),
        fps=config.fps,
        timeout_s=config.timeout_s,
        udp=config.transport == "udp",
        options=options,
    )


def width(config: SourceConfig) -> int:
    """What is cut out of the picture later is to be that wide then."""
    x_min, y_min, x_max, y_max = config.crop
    share = x_max - x_min if config.rotate in (0, 180) else y_max - y_min
    return round(config.width / share)


def _check(uri: str) -> None:
    try:
        url = urlsplit(uri)
        sound = bool(url.hostname) and url.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise FatalError(f"source {redacted(uri)!r}: expected {uri.partition(':')[0]}://HOST/PATH")


def _address(uri: str, config: SourceConfig) -> str:
    """The URL with the user and the password that stand beside it."""
    if not config.username:
        return uri
    password = ""
    if config.password_file is not None:
        try:
            password = config.password_file.read_text(encoding="utf-8").strip("\r\n")
        except OSError as error:
            raise TransientError(
                f"{config.password_file}: cannot be read: {error.strerror}"
            ) from None
    url = urlsplit(uri)
    host = url.netloc.rpartition("@")[2]
    user = f"{quote(config.username, safe='')}:{quote(password, safe='')}"
    return urlunsplit(url._replace(netloc=f"{user}@{host}"))


def canonical(uri: str) -> str:
    """What people type for short -> a URI: `0` is usb:0, a path is dir: or file:."""

    if uri.isdecimal():
        return f"usb:{uri}"
    if not re.match(r"[a-z0-9]+:", uri):
        return f"dir:{uri}" if Path(uri).is_dir() else f"file:{uri}"
    return uri


def redacted(uri: str) -> str:
    """The URI without user, password and query, where cameras take passwords too."""
    if "://" not in uri:
        return uri
    return re.sub(r"\?.*", "?***", re.sub(r"//.*@", "//***@", uri), flags=re.DOTALL)
