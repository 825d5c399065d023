"""person.keras -> its figures for the model card: validation views, and the held-out material.

Each part that is named looks at its material once more; the card counts the looks.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import crops
import cv2
import keras
import numpy as np
import pictures
from numpy.typing import NDArray
from train import known_views

from edge.types import Image

Floats = NDArray[np.float64]
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
VIDEO = "one-by-one-person-detection.mp4"


def scores(model: keras.Model, images: list[Image]) -> Floats:
    """Pictures of any size -> the person score of each, (n,) in 0..1."""
    inputs = np.stack([crops.tensor(image) for image in images])
    return np.asarray(model.predict(inputs, batch_size=128, verbose=0)[:, 1], np.float64)


def wilson(right: int, count: int) -> str:
    """A share with its 95 % Wilson interval, in percent."""
    z = 1.96
    share, width = right / count, z * z / count
    middle = (share + width / 2) / (1 + width)
    half = z / (1 + width) * math.sqrt(share * (1 - share) / count + width / (4 * count))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return f"{share:.1%} ({low:.1%} to {high:.1%}), {right} of {count}"


def validation(model: keras.Model, testdata: Path) -> None:
    """Which share of the validation views reaches each threshold."""
    part = pictures.load(testdata, pictures.SEED)[1]
    inputs, person = known_views(part)
    found = model.predict(inputs, batch_size=128, verbose=0)[:, 1]
    for threshold in THRESHOLDS:
        hit, false = found[person == 1] >= threshold, found[person == 0] >= threshold
        click.echo(f"validation >= {threshold}: person {wilson(hit.sum(), hit.size)}")
        click.echo(f"validation >= {threshold}: no_person {wilson(false.sum(), false.size)}")


def vww01(model: keras.Model, testdata: Path) -> None:
    """Top-1 on the test set, all and by class."""
    right = []
    for label, folder in enumerate(("no_person", "person")):
        paths = sorted((testdata / "images/vww01-open" / folder).glob("*.png"))
        found = scores(model, [pictures.read(path) for path in paths])
        good = (found > 0.5) == bool(label)
        right += list(good)
        click.echo(f"vww01-open {folder}: {wilson(int(good.sum()), good.size)}")
    click.echo(f"vww01-open top-1: {wilson(int(np.sum(right)), len(right))}")


def one_by_one(model: keras.Model, testdata: Path) -> None:
    """Which share of the frames inside and outside the truth reaches each threshold."""
    truth = json.loads((testdata / "videos/ground_truth.json").read_text())["videos"][VIDEO]
    frames = pictures.frames(testdata / "videos" / VIDEO)
    found = scores(model, frames)
    inside = np.zeros(len(frames), bool)
    for first, last in truth["intervals"]:
        inside[first : last + 1] = True
    for threshold in THRESHOLDS:
        hit = found >= threshold
        per_person = [f"{hit[first : last + 1].mean():.0%}" for first, last in truth["intervals"]]
        click.echo(
            f"one-by-one >= {threshold}: inside {hit[inside].mean():.1%}"
            f" ({' '.join(per_person)}), outside {hit[~inside].mean():.1%}"
            f" of {inside.sum()} and {(~inside).sum()} frames"
        )


def windows(image: Image) -> Iterator[Image]:
    """640x480 windows over the photograph, scaled to be 1.5 times as wide as the window."""
    scale = max(960 / image.shape[1], 480 / image.shape[0])
    scaled = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    for top in np.linspace(0, scaled.shape[0] - 480, 3).astype(int):
        for left in np.linspace(0, scaled.shape[1] - 640, 3).astype(int):
            yield np.asarray(scaled[top : top + 480, left : left + 640], np.uint8)


def photographs(model: keras.Model) -> None:
    """Scores of scikit-image's photographs, whole and through a window that pans over them."""
    import skimage

    for path in sorted((Path(skimage.__file__).parent / "data").glob("*.png")):
        image = pictures.read(path)
        whole, parts = scores(model, [image])[0], scores(model, list(windows(image)))
        click.echo(f"{path.name}: whole {whole:.2f}, windows {' '.join(f'{s:.2f}' for s in parts)}")


def main() -> int:
    """Measure the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--testdata", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("part", nargs="+", choices=("validation", "vww01", "video", "photographs"))
    arguments = parser.parse_args()
    model = keras.models.load_model(arguments.model, compile=False)
    for part in arguments.part:
        match part:
            case "validation":
                validation(model, arguments.testdata)
            case "vww01":
                vww01(model, arguments.testdata)
            case "video":
                one_by_one(model, arguments.testdata)
            case "photographs":
                photographs(model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
