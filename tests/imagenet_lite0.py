"""Top-1 of the installed EfficientNet-Lite0 on ImageNet samples: `python -m ... FOLDER`.

In a process of its own, so that TensorFlow stays out of the tests' process.
"""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np

from converter.training import lite, torch_file

SIDE = 224


def top_1(samples: Path, every: int = 5) -> float:
    """Share of every fifth sample that gets its own label, stretched to the network's square."""
    rows = list(csv.DictReader((samples / "labels.csv").read_text().splitlines()))
    rows = [row for row in rows if (samples / row["file"]).exists()][::every]
    files = [str(samples / row["file"]) for row in rows]
    images = [np.asarray(cv2.imread(file, cv2.IMREAD_COLOR_RGB)) for file in files]
    pixels = np.stack([cv2.resize(image, (SIDE, SIDE)) for image in images])
    body = lite.body(SIDE, lite.WHOLE)
    lite.load(body, lite.imagenet())
    features = body.predict(pixels / np.float32(127.5) - 1, verbose=0).mean(axis=(1, 2))
    top = torch_file.read(lite.imagenet())
    answers = (features @ top["_fc.weight"].T + top["_fc.bias"]).argmax(axis=1)
    return float(np.mean(answers == [int(row["class_0_999"]) for row in rows]))


if __name__ == "__main__":
    print(top_1(Path(sys.argv[1])))
