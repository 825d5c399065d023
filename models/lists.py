"""The test material -> lists of pictures: `python models/lists.py --testdata DIR --out DIR`.

Writes NAME/train.csv and NAME/test.csv (path,label), for weeds also NAME/validation.csv, for the
leaf models NAME/all.csv (the test pictures and those from elsewhere, with the label that turns
them away) and NAME/sources.csv (path,source: slices of it). Nothing that measures trains. The
pictures stay where they are.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

SEED = 1
ELSEWHERE = 350
"""Pictures of each other data set that teach a leaf model what is no leaf of its crop."""
WINDOWS = 10
"""Cut out of each of the few photographs of scenes: a street has walls, sky and cars too."""
WINDOW_SHARE = (0.2, 1.0)
"""A window's side, as a share of the photograph's shorter side."""
WINDOW_PIXELS = 256

HELD = 350
"""Pictures of weeds that choose the epoch: half of what `converter train` would take."""

Row = tuple[Path, str]


class Material:
    """Where the pictures lie, and where those go that are made of them."""

    def __init__(self, root: Path, made: Path) -> None:
        self._root, self._made = root, made

    def dataset(self, name: str, part: str) -> list[Row]:
        """(path, class) of a data set's own list. A FileNotFoundError names what is missing."""
        folder = self._root / "datasets" / name
        lines = (folder / f"{part}.txt").read_text().split()
        return [(folder / "images" / line, line.split("/")[0]) for line in lines]

    def folder(self, *names: str) -> list[Path]:
        """Pictures of a folder of images."""
        folder = self._root.joinpath(*names)
        found = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
        if not found:
            raise FileNotFoundError(f"{folder}: no pictures")
        return found

    @cached_property
    def scenes(self) -> list[Path]:
        """Photographs of scenes, then windows of them, which are made once."""
        photographs = self.folder("images", "coco-open", "images")
        return photographs + windows(photographs, self._made / "windows")


def some(rows: Iterable[Row], count: int) -> list[Row]:
    """A sample that is the same every time."""
    return random.Random(SEED).sample(sorted(rows), count)  # noqa: S311


def windows(photographs: Iterable[Path], folder: Path) -> list[Path]:
    """Squares of random place and size, written as JPEG; the same every time."""
    dice = random.Random(SEED)  # noqa: S311
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in photographs:
        image = np.asarray(cv2.imread(str(path)))
        height, width = image.shape[:2]
        for number in range(WINDOWS):
            side = round(min(height, width) * dice.uniform(*WINDOW_SHARE))
            top, left = dice.randint(0, height - side), dice.randint(0, width - side)
            window = image[top : top + side, left : left + side]
            out = folder / f"{path.stem}-{number}.jpg"
            size = (WINDOW_PIXELS, WINDOW_PIXELS)
            cv2.imwrite(str(out), cv2.resize(window, size, interpolation=cv2.INTER_AREA))
            written.append(out)
    return written


def bean(material: Material) -> dict[str, list[Row]]:
    """Three labels of bean leaves and one for everything else."""
    other = "not_a_bean_leaf"
    return _leaf(material, "ibean-192", "plantvillage-apple-128", "val", other)


def apple(material: Material) -> dict[str, list[Row]]:
    """Four labels of apple leaves; `background`, as the data set says, for everything else.

    The data set's own background pictures are of unknown origin: they measure and never train.
    """
    other = "background"
    return _leaf(material, "plantvillage-apple-128", "ibean-192", "test", other)


def weeds(material: Material) -> dict[str, list[Row]]:
    """DeepWeeds as it is: its `negative` is everything else in those fields."""
    name = "deepweeds-128"
    train = material.dataset(name, "train")
    held = set(some(train, HELD))
    return {
        "train": [row for row in train if row not in held],
        "validation": [row for row in train if row in held],
        "test": material.dataset(name, "val"),
    }


def _leaf(material: Material, own: str, leaves: str, test: str, other: str) -> dict[str, list[Row]]:
    def published(rows: list[Row]) -> list[Row]:
        return [row for row in rows if row[1] != "background"]

    train = published(material.dataset(own, "train"))
    train += [(path, other) for path in material.scenes]
    for name in (leaves, "deepweeds-128"):
        rows = some(published(material.dataset(name, "train")), ELSEWHERE)
        train += [(path, other) for path, _ in rows]
    trained = {path.stem for path in material.scenes}
    others = material.folder("images", "vww01-open")
    elsewhere = [
        *published(material.dataset(leaves, "val")),
        *material.dataset("deepweeds-128", "val"),
        *((path, other) for path in others if path.stem not in trained),
        *((path, other) for path in material.folder("research-only", "imagenet-samples-256")),
    ]
    measured = material.dataset(own, test)
    everything = measured + [(path, other) for path, _ in elsewhere]
    return {"train": train, "test": measured, "all": everything}


MODELS = {"bean-leaf": bean, "apple-leaf": apple, "weeds": weeds}


def write(path: Path, head: str, rows: Iterable[tuple[Path, str]]) -> None:
    """A CSV file with absolute paths."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        if head:
            table.writerow(["path", head])
        table.writerows((str(where.resolve()), value) for where, value in rows)


def source(path: Path) -> str:
    """The data set's folder."""
    parts = [part for part in path.parts if part != "images"]
    above = [part for part in parts if part in ("datasets", "research-only", "testdata")][-1]
    return parts[parts.index(above) + 1]


def main() -> None:
    """Write the lists of all models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--testdata", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    material = Material(given.testdata, given.out)
    for name, lists in MODELS.items():
        folder = given.out / name
        folder.mkdir(parents=True, exist_ok=True)
        for part, rows in lists(material).items():
            write(folder / f"{part}.csv", "", rows)
            if part == "all":
                write(folder / "sources.csv", "source", ((path, source(path)) for path, _ in rows))


if __name__ == "__main__":
    main()
