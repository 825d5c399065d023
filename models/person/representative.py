"""The validation part -> a folder of labelled views, for `converter convert --data`.

Views of pictures that the network was not trained on, cut as in training but not distorted:
they calibrate the int8 file and measure what quantisation costs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import click
import crops
import cv2
import numpy as np
import pictures
from network import LABELS

VIEWS = {"people": 40, "scenes": 12, "plants": 1}
"""Views of each picture, by its kind: about as many with a person as without."""


def write(testdata: Path, out: Path) -> int:
    """out/<label>/<number>.png; returns how many."""
    part = pictures.load(testdata, pictures.SEED)[1]
    rng = np.random.default_rng(pictures.SEED)
    number = 0
    for kind, count in VIEWS.items():
        for picture in getattr(part, kind):
            for _ in range(count):
                view = crops.cut(picture, rng)
                if not view.trust:
                    continue
                folder = out / LABELS[int(view.person)]
                folder.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / f"{number:05d}.png"), view.image)
                number += 1
    return number


def main() -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--testdata", type=Path, required=True, help="the test material's folder")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        number = write(arguments.testdata, arguments.out)
    except FileNotFoundError as error:
        missing = error.filename or error
        click.echo(f"representative.py: --testdata: {missing} cannot be read", err=True)
        return 1
    click.echo(f"{number} pictures in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
