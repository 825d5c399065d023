"""A source's section of edge.toml -> what its camera's process is asked for."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from edge.address import NETWORK, Address, like_host, read
from edge.capture.tls import fingerprint
from edge.capture.wire import Request
from edge.config import SourceConfig
from edge.errors import FatalError, TransientError
from edge.files import withheld
from edge.sources.devices import Known, find
from edge.text import read as text_of

SCHEMES = (
    "rtsp://, http://, usb:N, v4l2:/dev/videoN, picamera:N, csi:N, gst:PIPELINE, "
    "dir:FOLDER, file:VIDEO, demo:"
)
CSI = (
    "nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM) ! nvvidconv ! "
    "video/x-raw,format=BGRx,width={width},height={height}"
)
"""A Jetson's own camera: captured, scaled and converted by its hardware."""
PASSWORD_S = 10.0
"""Between two looks for a password file that cannot be read."""

Scheme = Literal["rtsp", "http", "v4l2", "picamera", "gst"]


def asked(config: SourceConfig, known: Known) -> Callable[[], Request]:
    """Checked now, made whenever the camera is opened: devices move, passwords change.

    Raises FatalError for a URI that is none of SCHEMES.
    """
    address = read(config.uri)
    _check_trust(address, config.trust)
    made = partial(_request, config, address.shown)
    rest = address.rest
    match address.scheme:
        case "rtsp" | "rtsps" | "http" | "https" if address.host:
            return lambda: made(_kind(address), _as_user(address, config))
        case "usb" if rest.isdecimal():
            return lambda: made("v4l2", find(f"/dev/video{rest}", known))
        case "v4l2" if rest.startswith("/dev/"):
            return lambda: made("v4l2", find(rest, known))
        case "picamera" if rest.isdecimal():
            return partial(made, "picamera", rest)
        case "csi" if rest.isdecimal():
            width = config.width or 1280
            pipeline = CSI.format(number=rest, width=width, height=width * 9 // 16)
            return partial(made, "gst", pipeline)
        case "gst" if rest.strip():
            return partial(made, "gst", rest)
    raise FatalError(f"source {address.shown!r}: {_expected(address)}")


def _check_trust(address: Address, trust: str) -> None:
    """Raises FatalError where it would protect nothing."""
    if trust and address.scheme not in ("https", "rtsps"):
        raise FatalError(
            f"source {address.shown!r}: trust is for https:// and rtsps:// addresses: "
            "change the address or leave trust out"
        )
    if trust.lower().startswith("sha256") and fingerprint(trust) is None:
        raise FatalError(
            f"source {address.shown!r}: trust: expected sha256: and 64 hexadecimal digits, "
            "or a certificate file"
        )


def _expected(address: Address) -> str:
    """What to type instead."""
    if address.scheme in NETWORK:
        return (
            f"expected {address.scheme}://HOST/PATH; in a password write %40 for @, %2F for /, "
            "%3A for :, or put it into password_file"
        )
    if not address.scheme and (host := like_host(address.rest)):
        return f"expected rtsp://{host}/PATH or http://{host}/PATH, as the camera's manual has it"
    return f"expected one of {SCHEMES}"


def _kind(address: Address) -> Scheme:
    return "rtsp" if address.scheme.startswith("rtsp") else "http"


def _request(config: SourceConfig, shown: str, scheme: Scheme, address: str | Address) -> Request:
    options: dict[str, Any] = {}
    if scheme == "v4l2":
        options = config.v4l2.model_dump()
    elif scheme == "picamera":
        options = config.picamera.model_dump()
    return Request(
        scheme=scheme,
        address=address if isinstance(address, str) else address.url(),
        shown=shown,
        width=width(config),
        fps=config.fps,
        timeout_s=config.timeout_s,
        udp=config.transport == "udp",
        trust=config.trust,
        options=options,
    )


def width(config: SourceConfig) -> int:
    """What is cut out of the picture later is to be that wide then."""
    x_min, y_min, x_max, y_max = config.crop
    share = x_max - x_min if config.rotate in (0, 180) else y_max - y_min
    return round(config.width / share)


def _as_user(address: Address, config: SourceConfig) -> Address:
    """With the user and the password that stand beside the address."""
    user = config.username or address.user
    if config.password_file is not None:
        return address.as_user(user, _password(config.password_file))
    return address.as_user(user, "") if config.username else address


def _password(path: Path) -> str:
    """Raises TransientError without the path where somebody wrote the password instead of one."""
    try:
        return text_of(path.expanduser()).strip("\n")
    except (OSError, ValueError) as error:
        denied = withheld(path.expanduser()) if isinstance(error, PermissionError) else ""
        said = denied or getattr(error, "strerror", None) or "is no path"
        told = str(path) if "/" in str(path) else "password_file (the path of a file)"
        raise TransientError(f"{told}: cannot be read: {said}", PASSWORD_S) from None
