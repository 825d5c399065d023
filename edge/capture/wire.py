"""Frames from a camera's process to the daemon: shared memory, and lines that say what is where.

The child writes a frame into a free slot and tells its number; the daemon copies it and gives the
slot back. Where no slot is free the frame is dropped before it costs anything. The pipes carry
JSON lines; the first one to the child is the Request, so that no password is on a command line.
"""

import json
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from edge.types import Image

SLOTS = 3
"""One is written, one is told, one is copied."""
LARGEST = 64_000_000
"""Pixels of the largest frame that is taken."""

Layout = Literal["bgr", "i420"]
"""(height, width, 3) B,G,R, or planar Y, U, V of (height * 3 / 2, width)."""
Picture = Callable[[], tuple[Image, Layout]]
"""A frame that has arrived; calling it converts it, which most frames may not need."""


class Paced(Protocol):
    """A Request, or the section of edge.toml that it is made from."""

    @property
    def fps(self) -> float:
        """At most so many frames a second; 0: all."""

    @property
    def timeout_s(self) -> float:
        """How long a server may say nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a camera's process is asked for."""

    scheme: Literal["rtsp", "http", "v4l2", "picamera", "gst"]
    address: str = field(repr=False)
    """URL with credentials, device, camera number or pipeline: never to be shown."""
    shown: str
    """The source's URI as errors and logs show it."""
    width: int
    """Frames are scaled down to at most so many pixels wide; 0: as they come."""
    fps: float
    """At most so many frames a second; 0: all."""
    timeout_s: float
    """How long a server may say nothing."""
    udp: bool = False
    trust: str = ""
    """A certificate file, or a fingerprint, that the server is to have; empty: the authorities'."""
    options: dict[str, Any] = field(default_factory=dict)
    """The camera's own, as its table in edge.toml says them."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame lies in a slot."""

    slot: int
    height: int
    width: int
    layout: Layout
    mono_s: float
    unix_s: float
    missed: int
    """Frames since the one before that no slot was free for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array in the slot."""
        if self.layout == "bgr":
            return (self.height, self.width, 3)
        return (self.height * 3 // 2, self.width)


@dataclass(frozen=True, slots=True)
class Failed:
    """The camera's process gives up."""

    message: str
    fatal: bool = False
    """No retry mends it."""
    wait_s: float = 0.0
    """Not to be tried again sooner."""


def patience_s(asked: Paced) -> float:
    """How long no frame may come: longer where few are asked for."""
    return asked.timeout_s + (1.0 / asked.fps if asked.fps else 0.0)


def say(message: Arrived | Failed) -> bytes:
    """A message -> its line."""
    kind = "frame" if isinstance(message, Arrived) else "failed"
    return json.dumps({kind: asdict(message)}).encode() + b"\n"


def heard(line: bytes) -> Arrived | Failed:
    """A line -> the message; Failed for a line that is none."""
    try:
        ((kind, values),) = json.loads(line).items()
        return Arrived(**values) if kind == "frame" else Failed(**values)
    except (ValueError, TypeError, AttributeError):
        return Failed("the camera's process said something unintelligible")


class Slots:
    """Shared memory for SLOTS frames that grows with them; each side maps it for itself."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None

    def write(self, slot: int, pixels: Image) -> None:
        """Put a frame into a slot; every slot must be free when one larger than all before comes.

        Raises ValueError where it is larger than LARGEST.
        """
        with self._view(slot, pixels.shape, grow=True) as place:
            np.copyto(place, pixels)

    def read(self, message: Arrived) -> Image:
        """A copy of the frame."""
        with self._view(message.slot, message.shape) as place:
            return place.copy()

    def fits(self, pixels: Image) -> bool:
        """Whether the frame goes into a slot as they are."""
        return pixels.nbytes * SLOTS <= self._length()

    def close(self) -> None:
        """Unmap."""
        if self._map is not None:
            self._map.close()

    @contextmanager
    def _view(self, slot: int, shape: tuple[int, ...], grow: bool = False) -> Iterator[Image]:
        size = int(np.prod(shape))
        if size > LARGEST * 3:
            raise ValueError(f"a frame of {shape[1]}x{shape[0]} pixels is too large")
        if grow and size * SLOTS > self._length():
            os.ftruncate(self._descriptor, size * SLOTS)
        length = self._length()
        if self._map is None or len(self._map) != length:
            self.close()
            self._map = mmap.mmap(self._descriptor, length)
        place = np.frombuffer(self._map, np.uint8, size, slot * (length // SLOTS)).reshape(shape)
        yield place
        del place

    def _length(self) -> int:
        return os.fstat(self._descriptor).st_size
