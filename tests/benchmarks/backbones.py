"""What a backbone's untouched ImageNet features know of a data set: `backbones.py LIST.csv [SIZE]`.

A softmax regression on the pooled features of 1800 of the list's pictures (path,label), tried on
600 others: the quickest way to see which part of a backbone suits which pictures.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from converter.training import lite

TRAINED, TRIED = 1800, 600
EPOCHS = 40


def samples(table: Path, size: int) -> tuple[Any, Any]:
    """(n, size, size, 3) R,G,B in -1..1 and (n,) label numbers."""
    rows = list(csv.reader(table.read_text().splitlines()))
    labels = sorted({label for _, label in rows})
    chosen = np.random.default_rng(0).permutation(len(rows))[: TRAINED + TRIED]
    images = [np.asarray(cv2.imread(rows[row][0], cv2.IMREAD_COLOR_RGB)) for row in chosen]
    pixels = np.stack([cv2.resize(image, (size, size)) for image in images])
    return pixels / np.float32(127.5) - 1, np.array([labels.index(rows[row][1]) for row in chosen])


def probe(features: Any, truth: Any) -> tuple[float, float]:
    """Accuracy and mean recall on the pictures that were only tried, 0..1."""
    mean, spread = features[:TRAINED].mean(axis=0), features[:TRAINED].std(axis=0) + 1e-3
    scaled = (features - mean) / spread
    dense = keras.layers.Dense(
        int(truth.max()) + 1, activation="softmax", kernel_regularizer=keras.regularizers.L2(3e-3)
    )
    top = keras.Sequential([keras.Input(features.shape[1:]), dense])
    top.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    top.fit(scaled[:TRAINED], truth[:TRAINED], epochs=EPOCHS, batch_size=64, verbose=0)
    answers, right = top.predict(scaled[TRAINED:], verbose=0).argmax(axis=1), truth[TRAINED:]
    recalls = [np.mean(answers[right == label] == label) for label in np.unique(right)]
    return float(np.mean(answers == right)), float(np.mean(recalls))


def main(table: Path, size: int = 128) -> None:
    """A line per part of EfficientNet-Lite0."""
    pixels, truth = samples(table, size)
    for name in ("SMALL", "MEDIUM", "WHOLE"):
        keras.utils.set_random_seed(1)
        body = lite.body(size, getattr(lite, name))
        lite.load(body, lite.imagenet())
        pooled = keras.Sequential([body, keras.layers.GlobalAveragePooling2D()])
        accuracy, recall = probe(pooled.predict(pixels, batch_size=50, verbose=0), truth)
        print(f"{name.lower()}: {accuracy:.1%}, mean recall {recall:.1%}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
