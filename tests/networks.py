"""Makes the Keras networks that the converter's tests convert: `python -m tests.networks DIR`.

Runs in a process of its own, so that TensorFlow stays out of the tests' process. The pictures
are stripes that lie or stand, in random colours, phases and widths, with noise.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

SIZE = 32
LABELS = ("lying", "standing")
PICTURES_EACH = 40


def stripes(random: np.random.Generator, standing: bool) -> npt.NDArray[np.uint8]:
    """(32, 32, 3) uint8: one picture."""
    across = np.sin(np.arange(SIZE) * random.uniform(0.6, 1.2) + random.uniform(0, 6)) > 0
    one, other = random.integers(0, 256, (2, 3))
    wave = across[None, :, None] if standing else across[:, None, None]
    clean = np.broadcast_to(np.where(wave, one, other), (SIZE, SIZE, 3))
    return np.clip(clean + random.normal(0, 12, clean.shape), 0, 255).astype(np.uint8)


def write_pictures(folder: Path) -> None:
    """A folder per class with PNG files."""
    random = np.random.default_rng(1)
    for standing, label in enumerate(LABELS):
        (folder / label).mkdir(parents=True)
        for number in range(PICTURES_EACH):
            cv2.imwrite(str(folder / label / f"{number}.png"), stripes(random, bool(standing)))


def _classifier(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 3)),
            layers.Conv2D(8, 5, strides=2, use_bias=False, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(6),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax", name="scores"),
        ]
    )


def write_networks(folder: Path) -> None:
    """stripes.keras and stripes.h5: trained on pixels / 255."""
    import keras

    keras.utils.set_random_seed(2)
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 1200)
    pictures = np.stack([stripes(random, bool(standing)) for standing in truth])
    network = _classifier(keras)
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    network.fit(pictures.astype(np.float32) / 255, truth, epochs=6, verbose=0)
    network.save(folder / "stripes.keras")
    network.save(folder / "stripes.h5")


if __name__ == "__main__":
    write_pictures(Path(sys.argv[1]) / "pictures")
    write_networks(Path(sys.argv[1]))
