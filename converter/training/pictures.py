"""Folders or lists of pictures -> training, validation and test sets without near-duplicates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converter import data
from converter.data import Photos, Pixels, Rows
from converter.listing import Listing, described
from converter.progress import bar
from converter.training import near
from converter.training.options import TrainOptions
from edge.errors import FatalError
from edge.model import InputContract

HELD = 0.15
"""Share of the data that validates, and that tests, where no such set is given."""


@dataclass(frozen=True, slots=True)
class Part:
    """Labelled pictures of one use."""

    pixels: Pixels
    truth: npt.NDArray[np.int64]
    paths: tuple[Path, ...]

    def take(self, rows: Rows) -> "Part":
        """Some of them."""
        return Part(self.pixels[rows], self.truth[rows], tuple(self.paths[row] for row in rows))


@dataclass(frozen=True, slots=True)
class Sets:
    """What trains, decides when to stop, and measures."""

    labels: tuple[str, ...]
    training: Part
    validation: Part
    test: Part
    skipped: tuple[str, ...]
    """Files that are no pictures."""
    near: int
    """Training pictures left out because validation or test have nearly the same."""
    left_out: tuple[str, ...] = ()
    """Files that are not among the pictures, counted and named by reason."""


def load(source: Path, options: TrainOptions, scratch: Path) -> Sets:
    """Raises FatalError where a set is empty, or its labels are others."""
    found = data.find(source, options.labels)
    if len(found.labels) < 2:
        raise FatalError(f"--data {source}: needs a folder per class, two or more, or a list file")
    uses = _uses(found, options)
    everything = _read(uses.pop("training"), options, scratch / "data")
    rest, skipped = _part(everything), list(everything.skipped)
    parts: dict[str, Part] = {}
    for name, listing in uses.items():
        photos = _read(listing, options, scratch / name)
        parts[name] = _part(photos)
        skipped += photos.skipped
    hashes = _hashes(rest, options)
    for name in ("test", "validation"):
        if name not in parts:
            grouped = near.groups(hashes)
            stays, held = near.split(rest.truth, grouped, HELD, options.seed)
            parts[name] = rest.take(held)
            rest, hashes = rest.take(stays), hashes[stays]
    held_hashes = np.concatenate([_hashes(parts[name], options) for name in parts])
    double = near.near_any(hashes, held_hashes)
    training = rest.take(np.flatnonzero(~double))
    missing = sorted(set(range(len(found.labels))) - set(training.truth.tolist()))
    if missing:
        raise FatalError(
            f"--data {source}: no picture is left to train {found.labels[missing[0]]!r}"
        )
    return Sets(
        found.labels,
        training,
        parts["validation"],
        parts["test"],
        tuple(skipped),
        int(double.sum()),
        tuple(described(found.left_out)),
    )


def _uses(found: Listing, options: TrainOptions) -> dict[str, Listing]:
    """The pictures of each use that are given: by an option, or by train/ val/ test/ folders."""
    uses = {"training": found.of("train") if "train" in found.parts else found}
    for name, part, given in (
        ("validation", "val", options.validation),
        ("test", "test", options.test),
    ):
        if given is not None:
            uses[name] = data.find(given, found.labels).measuring
        elif part in found.parts and "train" in found.parts:
            uses[name] = found.of(part)
    return uses


def _read(found: Listing, options: TrainOptions, scratch: Path) -> Photos:
    scratch.mkdir()
    contract = InputContract(width=options.size, height=options.size)
    return data.read(found, contract, scratch, options.progress)


def _part(photos: Photos) -> Part:
    if photos.truth is None:
        raise FatalError("--validation, --test: need labels: a folder per class, or a list file")
    return Part(photos.pixels, photos.truth, photos.paths)


def _hashes(part: Part, options: TrainOptions) -> near.Hashes:
    return near.hashes(bar(part.pixels, "looking for near-duplicates", options.progress))
