"""Pictures of a listing -> their network pixels and labels, and honest splits."""

import hashlib
import math
import os
import random
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converter.exif import turned
from converter.folders import UNREAD
from converter.listing import Listing, Picture, described, every, find
from converter.progress import bar
from edge.capture import jpeg
from edge.errors import FatalError
from edge.model import InputContract
from edge.preprocess import Preprocess
from edge.text import shown
from edge.types import Image, TensorSpec

__all__ = [
    "Listing",
    "Photos",
    "Picture",
    "Pixels",
    "Rows",
    "every",
    "find",
    "read",
    "some",
    "split",
]

FEWEST = 10
"""Fewer pictures neither calibrate nor measure anything."""

CALIBRATION_SHARE = 0.2
"""At most this share calibrates, so that the rest can measure."""

TAIL = 4096
"""Bytes in which a PNG's last chunk is looked for: some tools append a little."""

Rows = npt.NDArray[np.int64]
"""Row numbers of pictures."""

Pixels = npt.NDArray[np.uint8]
"""(n, height, width, channels) in the network's size and colour order, before normalisation."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Pictures that could be read, as the network will see them."""

    pixels: Pixels
    truth: npt.NDArray[np.int64] | None
    """(n,) label indices, or None."""
    paths: tuple[Path, ...]
    skipped: tuple[str, ...]
    """Files that are no readable pictures, with the reason if it is known."""
    turned: int = 0
    """Pictures that are turned by their EXIF."""
    shaped: bool = False
    """Whether any has another shape than the network's input, so that the way of resizing shows."""

    def notes(self) -> list[str]:
        """What training may have seen otherwise."""
        if not self.turned:
            return []
        return [
            f"{self.turned} of {len(self.paths)} pictures carry a rotation (EXIF) that Keras "
            "ignores in training: here and on the device they are upright"
        ]

    def take(self, rows: Rows) -> "Photos":
        """The pictures with these row numbers."""
        truth = None if self.truth is None else self.truth[rows]
        paths = tuple(self.paths[row] for row in rows)
        return Photos(self.pixels[rows], truth, paths, (), shaped=self.shaped)


def read(listing: Listing, contract: InputContract, scratch: Path, progress: bool) -> Photos:
    """Decode and scale every picture through `edge.preprocess`.

    The pixels lie in a file under scratch, so that a large set needs no memory.
    Raises FatalError where too few pictures can be read.
    """
    size = (contract.height, contract.width, contract.channels)
    preprocess = to_pixels(contract)
    count = len(listing.pictures)
    pixels = _room(scratch / "pixels", (max(1, count), *size))
    kept: list[Picture] = []
    skipped: list[str] = []
    rotated, shaped = 0, False
    for picture in bar(listing.pictures, "reading pictures", progress):
        data = _bytes(picture.path)
        image = picture_of(data)
        if image is None:
            skipped.append(_unreadable(picture.path))
            continue
        pixels[len(kept)] = preprocess(image)[0][0]
        rotated += turned(data)
        shaped |= _differs(image.shape, size)
        kept.append(picture)
    if len(kept) < FEWEST:
        raise FatalError(_too_few(len(kept), listing, skipped))
    truth = None
    if listing.labels:
        truth = np.array([p.label for p in kept], np.int64)
        _every_class(listing.labels, truth)
    paths = tuple(p.path for p in kept)
    return Photos(pixels[: len(kept)], truth, paths, tuple(skipped), rotated, shaped)


def _differs(shape: tuple[int, ...], size: tuple[int, int, int]) -> bool:
    """Whether stretching from one shape to the other changes proportions by over a fiftieth."""
    return abs(shape[1] * size[0] / (shape[0] * size[1]) - 1) > 0.02


def _unreadable(path: Path) -> str:
    """The file, and why it is not read if that helps."""
    name = shown(str(path), 300)
    if not path.exists():
        return f"{name} (there is no such file)"
    if path.suffix.lower() in UNREAD:
        return f"{name} ({path.suffix.lower()} is not read: convert it to JPEG)"
    return name


def _too_few(count: int, listing: Listing, skipped: list[str]) -> str:
    told = f"{len(skipped)} skipped"
    if skipped:
        told += f", the first is {skipped[0]}"
    if listing.left_out:
        told += f"; left out: {'; '.join(described(listing.left_out))}"
    return (
        f"--data: {count} readable pictures ({told}); "
        f"at least {FEWEST} are needed, 100 or more are better"
    )


def some(listing: Listing, most: int) -> Listing:
    """The listing with `most` of its pictures at most, the same ones every time."""
    if len(listing.pictures) <= most:
        return listing
    drawn = random.Random(0).sample(listing.pictures, most)  # noqa: S311 - a fixed draw
    return replace(listing, pictures=tuple(sorted(drawn, key=lambda picture: picture.path)))


def to_pixels(contract: InputContract) -> Preprocess:
    """The device's preprocessing up to normalisation: (1, height, width, channels) uint8."""
    size = (contract.height, contract.width, contract.channels)
    raw = contract.model_copy(update={"mean": (0.0,), "std": (1.0,)})
    return Preprocess(raw, TensorSpec("pixels", (1, *size), np.dtype(np.uint8)))


def decoded(path: Path) -> Image | None:
    """(height, width, 3) B,G,R, or None."""
    return picture_of(_bytes(path))


def picture_of(data: bytes) -> Image | None:
    """A whole picture's pixels as the device's decoder gives them, or None."""
    return jpeg.decoded(data) if ends(data) else None


def _bytes(path: Path) -> bytes:
    """A file's content; nothing if it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError):
        return b""


def ends(data: bytes) -> bool:
    """Whether a JPEG or PNG has its end: decoders fill what is missing of a cut one with grey.

    True for other kinds, whose decoders refuse. In a JPEG's scan (ITU-T T.81, B.1.1.2) 0xFF 0xD9
    is the end and nothing else; before the scan a thumbnail has an end of its own.
    """
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data[-TAIL:]
    if not data.startswith(b"\xff\xd8"):
        return True
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return data.find(b"\xff\xd9", place) >= 0


def _room(path: Path, shape: tuple[int, int, int, int]) -> Pixels:
    """An array in a file. Raises OSError where the disk has no room, before it is written to."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, math.prod(shape))
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _every_class(labels: tuple[str, ...], truth: npt.NDArray[np.int64]) -> None:
    """Refuse two classes or more of which one has a folder but no readable picture."""
    present = set(truth.tolist())
    if len(present) < 2:
        raise FatalError(
            f"--data: all pictures are {labels[next(iter(present))]!r}; "
            "give pictures of every class, or a folder without sub-folders (then unlabelled)"
        )


def split(photos: Photos, most: int, share: float = CALIBRATION_SHARE) -> tuple[Rows, Rows]:
    """Row numbers that calibrate (at most `most` and `share`, every class in turn), and the others.

    The same pictures always give the same split.
    """
    rows: dict[int, list[int]] = defaultdict(list)
    for row in range(len(photos.paths)):
        rows[0 if photos.truth is None else int(photos.truth[row])].append(row)
    shuffle = random.Random(0)  # noqa: S311 - a fixed draw, nothing secret
    for group in rows.values():
        shuffle.shuffle(group)
    groups = sorted(rows.items())
    shuffle.shuffle(groups)
    wanted = min(most, max(FEWEST // 2, round(len(photos.paths) * share)))
    chosen: list[int] = []
    while len(chosen) < wanted:
        for _, group in groups:
            if group and len(chosen) < wanted:
                chosen.append(group.pop())
    others = np.setdiff1d(np.arange(len(photos.paths)), chosen)
    return np.array(sorted(chosen), np.int64), others.astype(np.int64)


def new(photos: Photos, rows: Rows, known: Pixels) -> Rows:
    """Those of the row numbers whose pictures are no copies of the known ones."""
    seen = set(map(_digest, known))
    return np.array([row for row in rows if _digest(photos.pixels[row]) not in seen], np.int64)


def _digest(pixels: npt.NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
