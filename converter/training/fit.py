"""Pictures and a network -> the network, fitted. In two steps: the new top, then all of it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.training.augment import distort
from converter.training.networks import Network
from converter.training.options import TrainOptions
from converter.training.pictures import Part, Sets

TOP_EPOCHS = 2
"""Epochs in which only the new top learns: its first steps would spoil what the backbone knows."""
PATIENCE = 8
"""Epochs without a smaller validation loss before it stops."""
AVERAGED = 0.995
"""What the kept weights are of their last value at each step, an exponential moving average
(Polyak and Juditsky 1992): it follows the pictures less than the last steps do. Over a third of
the steps at most: in a short course the beginning would weigh too much."""
SMOOTHING = 0.05
"""Share of each label given to the others (Szegedy et al. 2016): scores stay honest."""


@dataclass(frozen=True, slots=True)
class Course:
    """How the fitting went."""

    epochs: int
    best_epoch: int
    validation_accuracy: float
    """Of the kept weights, 0..1."""


def fit(network: Network, sets: Sets, options: TrainOptions) -> Course:
    """Fit in place; the weights of the epoch with the smallest validation loss stay."""
    import keras

    classes = len(sets.labels)
    training = batches(sets.training, classes, options)
    held = (sets.validation.pixels[:], np.eye(classes, dtype=np.float32)[sets.validation.truth])
    shown = 2 if options.progress else 0
    classifier = network.classifier
    if options.weights != "none":
        network.body.trainable = False
        _compile(
            classifier, keras.optimizers.AdamW(options.rate, weight_decay=options.weight_decay)
        )
        classifier.fit(training, epochs=min(TOP_EPOCHS, options.epochs), verbose=shown)
        network.body.trainable = True
        for layer in network.fixed:
            layer.trainable = False
    steps = options.epochs * len(training)
    rate = keras.optimizers.schedules.CosineDecay(
        options.rate / 20, steps, warmup_target=options.rate, warmup_steps=len(training)
    )
    momentum = min(AVERAGED, max(0.0, 1 - 3 / steps))
    averaging = keras.optimizers.AdamW(
        rate, weight_decay=options.weight_decay, use_ema=True, ema_momentum=momentum
    )
    _compile(classifier, averaging)
    keeping = [
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE, restore_best_weights=True),
    ]
    history = classifier.fit(
        training, epochs=options.epochs, validation_data=held, callbacks=keeping, verbose=shown
    ).history
    kept = int(np.argmin(history["val_loss"]))
    return Course(len(history["val_loss"]), kept + 1, float(history["val_accuracy"][kept]))


def _compile(classifier: Any, optimizer: Any) -> None:
    import keras

    loss = keras.losses.CategoricalCrossentropy(label_smoothing=SMOOTHING)
    classifier.compile(optimizer, loss=loss, metrics=["accuracy"], jit_compile=False)


def batches(part: Part, classes: int, options: TrainOptions) -> Any:
    """A keras PyDataset: every epoch each class as often as its pictures' square root asks for,
    each picture distorted anew; the seed fixes all of it."""
    import keras

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=1)
            self._epoch = 0
            self._order = order(part.truth, options.seed)

        def __len__(self) -> int:
            return math.ceil(len(part.truth) / options.batch)

        def on_epoch_end(self) -> None:
            self._epoch += 1
            self._order = order(part.truth, options.seed + self._epoch)

        def __getitem__(self, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
            rows = self._order[index * options.batch : (index + 1) * options.batch]
            random = np.random.default_rng((options.seed, self._epoch, index))
            pictures = [distort(part.pixels[row], options.scenario, random) for row in rows]
            return np.stack(pictures), np.eye(classes, dtype=np.float32)[part.truth[rows]]

    return Batches()


def order(truth: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """As many row numbers as there are pictures; rare classes more often than they come.

    A class is drawn in proportion to the square root of its pictures: equal shares would show
    the pictures of a rare class so often that they are learned by heart.
    """
    random = np.random.default_rng(seed)
    counts = np.bincount(truth).astype(np.float64)
    wanted = np.sqrt(counts) / np.sqrt(counts).sum() * len(truth)
    rows = []
    for label in np.flatnonzero(counts):
        members = random.permutation(np.flatnonzero(truth == label))
        rows.append(np.resize(members, max(1, round(wanted[label]))))
    return np.asarray(random.permutation(np.concatenate(rows))[: len(truth)], np.int64)
