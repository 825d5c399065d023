"""A source's URI -> the source: an explicit match over the schemes that are allowed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

from edge.address import Address, exists, read
from edge.alter import Alter, Alteration
from edge.config import SourceConfig
from edge.errors import FatalError
from edge.sources.ask import asked, width
from edge.sources.devices import Known
from edge.types import Frame

CREDENTIALS = re.compile(r"^//.*@|[^\s/]:[^/]*@")
PICTURES = {".bmp", ".heic", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


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


def open_source(config: SourceConfig, known: Known | None = None) -> Source:
    """The only way to a source: its pictures are altered as the configuration says.

    `known` is what is remembered of the source from its last opening.

    Raises FatalError for what no retry mends, with the URI and what to do.
    """
    from edge.sources.altered import Altered

    masks = tuple(mask.polygon for mask in config.mask.values())
    alteration = Alteration(config.rotate, config.flip, config.crop, masks)
    source = _open(config, known or Known())
    return source if alteration == Alteration() else Altered(source, Alter(alteration))


def _open(config: SourceConfig, known: Known) -> Source:
    from edge.sources.camera import Camera
    from edge.sources.demo import demo
    from edge.sources.folder import pictures
    from edge.sources.video import Video

    address = read(config.uri)
    _local(address)
    rest = address.rest
    match address.scheme:
        case "dir":
            return pictures(rest, config.fps)
        case "file":
            return Video(Path(rest), config.fps, width(config))
        case "demo":
            return demo(address.shown, dict(parse_qsl(rest.removeprefix("?"))), config.fps)
        case _:
            return Camera(asked(config, known), known)


def _local(address: Address) -> None:
    """Raises FatalError for what `dir:` and `file:` cannot read, with what to type."""
    if address.scheme not in ("dir", "file"):
        return
    if "://" in address.rest or (CREDENTIALS.search(address.rest) and not exists(address.rest)):
        raise FatalError(
            f"source {address.shown!r}: expected a path of this machine: mount a share first, "
            "and give a camera's address without dir: and file:"
        )
    path = Path(address.rest)
    if address.scheme == "file" and path.suffix.lower() in PICTURES:
        raise FatalError(
            f"source {address.shown!r}: is a picture, not a video: give its folder, "
            f"dir:{path.parent}"
        )
