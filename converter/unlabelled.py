"""Pictures without labels -> those that a network may learn from: none that measures or chooses."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter import data
from converter.data import Photos, Pixels
from converter.training.near import hashes, near_any
from edge.errors import FatalError
from edge.model import InputContract

MOST = 2400
"""So many draws fine-tuning makes: half of 300 batches of 16."""


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """What `--unlabelled` gave."""

    pixels: Pixels
    left_out: int
    """Near-duplicates of the pictures that calibrate, choose or measure."""
    skipped: tuple[str, ...]
    """Files that are no pictures."""

    def facts(self) -> dict[str, int]:
        """For the report."""
        return {"used": len(self.pixels), "left_out": self.left_out, "skipped": len(self.skipped)}


def check(given: Path | None, effort: str) -> None:
    """Raises FatalError where nothing would learn from them."""
    if given is not None and effort != "max":
        raise FatalError("--unlabelled: only --effort max learns from pictures: add it")


def read(
    given: Path, contract: InputContract, known: tuple[Photos, ...], scratch: Path, progress: bool
) -> Unlabelled:
    """At most MOST pictures of `given` by chance, without near-duplicates of those in `known`.

    Raises FatalError where fewer than ten are left.
    """
    paths = [picture.path for picture in data.every(given).pictures]
    drawn = random.Random(0).sample(paths, min(MOST, len(paths)))  # noqa: S311 - a fixed draw
    pictures = tuple(data.Picture(path) for path in sorted(drawn))
    folder = scratch / "unlabelled"
    folder.mkdir()
    try:
        photos = data.read(data.Listing((), pictures), contract, folder, progress)
    except FatalError as error:
        raise FatalError(str(error).replace("--data", f"--unlabelled {given}")) from None
    others = np.concatenate([hashes(one.pixels) for one in known])
    rows = np.flatnonzero(~near_any(hashes(photos.pixels), others))
    if len(rows) < data.FEWEST:
        raise FatalError(
            f"--unlabelled {given}: all but {len(rows)} pictures are (nearly) in --data too, which "
            "chooses and measures: give others"
        )
    return Unlabelled(photos.pixels[rows], len(photos.paths) - len(rows), photos.skipped)
