"""The test material -> person.keras: MobileNetV1 0.25, from ImageNet weights, taught by VWW's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import click
import crops
import keras
import network
import numpy as np
import pictures
import tensorflow as tf
from numpy.typing import NDArray

IMAGENET = "models/keras/google_mobilenet_v1_0.25_224_imagenet.h5"
VWW = "models/mlperf-tiny/vww_mobilenet_96/vww_96.h5"
THREADS = 2
"""Fixed, because sums over another number of threads round differently."""
BATCH = 64
BATCHES_PER_EPOCH = 75
EPOCHS = 44
SETTLED = 2 / 3
"""Share of the epochs after which one may be the best: earlier the loss still jumps about."""
PATIENCE = 12
"""Epochs without a better validation loss before training stops."""
BLENDED = 0.3
"""Share of training views that are two views in one."""
HINT_WEIGHT = 1.0

Floats = NDArray[np.float32]


class Views(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of fresh random views with their targets; the seed fixes every one."""

    def __init__(self, part: pictures.Part, teacher: keras.Model, epochs: int, seed: int) -> None:
        super().__init__(workers=1)
        self._part = part
        self._teacher = teacher
        self._seeds = np.random.SeedSequence(seed).spawn(epochs * BATCHES_PER_EPOCH)
        self._epoch = 0

    def __len__(self) -> int:
        """Batches in one epoch."""
        return BATCHES_PER_EPOCH

    def on_epoch_end(self) -> None:
        """Go on to views that were not seen yet."""
        self._epoch += 1

    def __getitem__(self, index: int) -> tuple[Floats, tuple[Floats, ...]]:
        """(64, 96, 96, 3) in -1..1, and targets for the scores and the two hints."""
        batch = self._epoch * BATCHES_PER_EPOCH + index
        rng = np.random.default_rng(self._seeds[batch % len(self._seeds)])
        views = [crops.draw(self._part, rng) for _ in range(BATCH)]
        images = [crops.distort(view.image, rng) for view in views]
        trust = np.array([view.trust for view in views])
        for i in range(int(BATCH * BLENDED)):
            images[i] = crops.blend(images[i], images[-1 - i], rng)
            trust[i] = 0.0
        inputs = np.stack([crops.tensor(image) for image in images])
        person = np.array([view.person for view in views])
        return inputs, targets(self._teacher, inputs, person, trust)


def targets(
    teacher: keras.Model, inputs: Floats, person: NDArray[Any], trust: NDArray[Any]
) -> tuple[Floats, ...]:
    """Scores (n, 2), label and teacher mixed by trust (n,), and the teacher's feature maps."""
    scores, *hints = (np.asarray(value) for value in teacher.predict_on_batch(inputs))
    label = np.stack([1 - person, person], axis=1)
    mixed = trust[:, None] * label + (1 - trust[:, None]) * scores
    return (mixed.astype(np.float32), *hints)


def known_views(part: pictures.Part) -> tuple[Floats, Floats]:
    """Fixed views as the device would see them: (n, 96, 96, 3), and 1 or 0 for a person (n,)."""
    rng = np.random.default_rng(pictures.SEED)
    counts = ((part.people, 60), (part.scenes, 12), (part.plants, 1))
    views = [
        crops.cut(picture, rng) for some, count in counts for picture in some for _ in range(count)
    ]
    known = [view for view in views if view.trust]
    inputs = np.stack([crops.tensor(view.image) for view in known])
    return inputs, np.array([view.person for view in known], np.float32)


def train(testdata: Path, epochs: int, seed: int) -> keras.Model:
    """Fit the student; the weights of its best validation epoch."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    training, held = pictures.load(testdata, pictures.SEED)
    teacher = network.teacher(network.load_old(testdata / VWW))
    student = network.student(network.load_old(testdata / IMAGENET))
    inputs, person = known_views(held)
    known = (inputs, targets(teacher, inputs, person, np.ones(len(person))))
    click.echo(f"validation: {len(person)} views, {person.mean():.0%} with a person")
    model = network.with_hints(student)
    steps = epochs * BATCHES_PER_EPOCH
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps - BATCHES_PER_EPOCH, warmup_target=2e-3, warmup_steps=BATCHES_PER_EPOCH
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=1e-4),
        loss=["categorical_crossentropy", "mse", "mse"],
        loss_weights=[1.0, *(HINT_WEIGHT / float(hint.var()) for hint in known[1][1:])],
        metrics=[["accuracy"], [], []],
        jit_compile=False,
    )
    best = keras.callbacks.EarlyStopping(
        "val_scores_loss",
        patience=PATIENCE,
        mode="min",
        restore_best_weights=True,
        start_from_epoch=int(epochs * SETTLED),
    )
    views = Views(training, teacher, epochs, seed)
    model.fit(views, epochs=epochs, validation_data=known, callbacks=[best], verbose=2)
    return student


def main() -> int:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--testdata", type=Path, required=True, help="the test material's folder")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("person.keras"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=pictures.SEED, help="the split stays the same")
    arguments = parser.parse_args()
    if not arguments.out.parent.is_dir():
        click.echo(f"train.py: --out: there is no folder {arguments.out.parent}", err=True)
        return 1
    try:
        model = train(arguments.testdata, arguments.epochs, arguments.seed)
    except FileNotFoundError as error:
        missing = error.filename or error
        click.echo(f"train.py: --testdata: {missing} is not there or cannot be read", err=True)
        return 1
    model.save(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
