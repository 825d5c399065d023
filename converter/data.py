"""A folder or list of pictures -> their network pixels, labels, and honest splits."""

import csv
import math
import os
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from converter.progress import bar
from edge.errors import FatalError
from edge.model import InputContract
from edge.preprocess import Preprocess
from edge.types import Image, TensorSpec

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}

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
class Picture:
    """One file; its label is an index, or None where nobody said."""

    path: Path
    label: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures that were found, unread."""

    labels: tuple[str, ...]
    """Empty where the data is not labelled."""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Photos:
    """Pictures that could be read, as the network will see them."""

    pixels: Pixels
    truth: npt.NDArray[np.int64] | None
    """(n,) label indices, or None."""
    paths: tuple[Path, ...]
    skipped: tuple[str, ...]
    """Files that are no pictures."""

    def take(self, rows: Rows) -> "Photos":
        """The pictures with these row numbers."""
        truth = None if self.truth is None else self.truth[rows]
        return Photos(self.pixels[rows], truth, tuple(self.paths[row] for row in rows), ())


def find(data: Path, labels: tuple[str, ...], strict: bool = True) -> Listing:
    """A folder per class, a list file (`path label` or `path,label`), or a flat folder.

    Raises FatalError where there is nothing, or (strict) where names and labels do not agree;
    otherwise pictures under other names are unlabelled.
    """
    if data.is_file():
        return _from_list(data, labels)
    if not data.is_dir():
        raise FatalError(f"{data}: there is no such folder or list of pictures")
    entries = sorted(entry for entry in data.iterdir() if entry.is_dir())
    folders = [entry for entry in entries if _pictures(entry)]
    empty = [entry for entry in entries if entry not in folders and entry.name[0] != "."]
    if folders and empty and not labels:
        raise FatalError(f"{empty[0]}: holds no pictures: add some, or remove the folder")
    if not folders or (len(folders) == 1 and folders[0].name not in labels):
        return Listing((), tuple(Picture(path) for path in _pictures(data)))
    names = tuple(folder.name for folder in folders)
    labels = labels or names
    strangers = [name for name in names if name not in labels]
    if strangers and not strict:
        return Listing((), tuple(Picture(path) for path in _pictures(data)))
    if strangers:
        raise FatalError(
            f"{data / strangers[0]}: no label has this folder's name; "
            f"the labels are {', '.join(labels[:8])}"
        )
    pictures = (Picture(path, labels.index(f.name)) for f in folders for path in _pictures(f))
    return Listing(labels, tuple(pictures))


def _pictures(folder: Path) -> list[Path]:
    found = folder.rglob("*")
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())


def _from_list(data: Path, labels: tuple[str, ...]) -> Listing:
    try:
        lines = data.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(f"{data}: cannot be read as a list of pictures: {error}") from None
    rows: list[tuple[int, Path, str]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            name, label = _row(line)
            rows.append((number, data.parent / name, label))
    names = sorted({label for _, _, label in rows if label})
    if not names:
        return Listing((), tuple(Picture(path) for _, path, _ in rows))
    labels = labels or tuple(names)
    pictures = []
    for number, path, label in rows:
        index = _index(label, labels)
        if index is None:
            raise FatalError(f"{data}: line {number}: {label!r} is not among the labels")
        pictures.append(Picture(path, index))
    return Listing(labels, tuple(pictures))


def _row(line: str) -> tuple[str, str]:
    """`path,label`, `path<tab>label`, `path label`, or only a path."""
    for delimiter in ("\t", ","):
        if delimiter in line:
            fields = next(csv.reader([line], delimiter=delimiter))
            return fields[0].strip(), fields[1].strip()
    if Path(line.strip()).suffix.lower() in SUFFIXES:
        return line.strip(), ""
    path, _, label = line.strip().rpartition(" ")
    return path.strip(), label


def _index(label: str, labels: tuple[str, ...]) -> int | None:
    if label in labels:
        return labels.index(label)
    if label.isdecimal() and int(label) < len(labels):
        return int(label)
    return None


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
    for picture in bar(listing.pictures, "reading pictures", progress):
        image = decoded(picture.path)
        if image is None:
            skipped.append(str(picture.path))
            continue
        pixels[len(kept)] = preprocess(image)[0][0]
        kept.append(picture)
    if len(kept) < FEWEST:
        raise FatalError(
            f"--data: {len(kept)} readable pictures ({len(skipped)} skipped); "
            f"at least {FEWEST} are needed, 100 or more are better"
        )
    truth = None
    if listing.labels:
        truth = np.array([p.label for p in kept], np.int64)
        _every_class(listing.labels, truth)
    return Photos(pixels[: len(kept)], truth, tuple(p.path for p in kept), tuple(skipped))


def to_pixels(contract: InputContract) -> Preprocess:
    """The device's preprocessing up to normalisation: (1, height, width, channels) uint8."""
    size = (contract.height, contract.width, contract.channels)
    raw = contract.model_copy(update={"mean": (0.0,), "std": (1.0,)})
    return Preprocess(raw, TensorSpec("pixels", (1, *size), np.dtype(np.uint8)))


def decoded(path: Path) -> Image | None:
    """(height, width, 3) B,G,R, or None. From memory: cv2.imread complains on stderr."""
    try:
        data = path.read_bytes()
        if not ends(data):
            return None
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    return None if image is None else np.asarray(image, np.uint8)


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
