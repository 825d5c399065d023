"""A source's URI -> the source: an explicit match over the schemes that are allowed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

from edge.alter import Alter, Alteration
from edge.config import SourceConfig
from edge.errors import FatalError
from edge.types import Frame

SCHEMES = "dir:FOLDER, file:VIDEO, usb:N, v4l2:/dev/videoN, demo:"


class Source(Protocol):
    """Frames, one after another, until the end or until `stop`."""

    live: bool
    """A live source hands out the newest frame; a recording is read whole and in order."""

    @property
    def skipped(self) -> int:
        """Pictures that could not be read."""
        ...

    @property
    def dropped(self) -> int:
        """Frames that came and that nobody took."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Read once. Raises TransientError where frames that should come do not."""
        ...

    def stop(self) -> None:
        """From any thread: the iteration ends within a second."""
        ...


def open_source(config: SourceConfig) -> Source:
    """The only way to a source: its pictures are altered as the configuration says.

    Raises FatalError for what no retry mends, with the URI and what to do.
    """
    from edge.sources.altered import Altered

    masks = tuple(mask.polygon for mask in config.mask.values())
    alteration = Alteration(config.rotate, config.flip, config.crop, masks)
    source = _open(config)
    return source if alteration == Alteration() else Altered(source, Alter(alteration))


def _open(config: SourceConfig) -> Source:
    from edge.sources.camera import Camera
    from edge.sources.demo import demo
    from edge.sources.files import Pictures, Video

    scheme, _, rest = canonical(config.uri).partition(":")
    match scheme:
        case "dir":
            return Pictures(Path(rest), config.fps)
        case "file":
            return Video(Path(rest), config.fps)
        case "v4l2":
            return Camera(rest, config.fps)
        case "usb" if rest.isdecimal():
            return Camera(f"/dev/video{rest}", config.fps)
        case "demo":
            return demo(config.uri, dict(parse_qsl(rest.removeprefix("?"))))
        case _:
            raise FatalError(f"source {redacted(config.uri)!r}: expected one of {SCHEMES}")


def canonical(uri: str) -> str:
    """What people type for short -> a URI: `0` is usb:0, a path is dir: or file:."""
    if uri.isdecimal():
        return f"usb:{uri}"
    if not re.match(r"[a-z0-9]+:", uri):
        return f"dir:{uri}" if Path(uri).is_dir() else f"file:{uri}"
    return uri


def redacted(uri: str) -> str:
    """The URI without user and password."""
    return re.sub(r"//[^/@]*@", "//***@", uri)
