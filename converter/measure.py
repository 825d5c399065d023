"""A .tflite network on pictures -> scores, accuracy, agreement, latency. Judges nothing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from converter.progress import bar
from converter.stored import Pixels, Stored
from edge.decode import probabilities
from edge.model import Contract, InputContract
from edge.preprocess import pixel_table
from edge.types import Tensor, TensorSpec

Scores = npt.NDArray[np.float32]
"""(n, classes) real outputs of a network."""
Truth = npt.NDArray[np.int64]
"""(n,) label indices."""

SMALLEST = 1 / 512
"""Half a step of an int8 probability."""

MOST_CONFUSED = 1000
"""Labels: the confusion matrix of more would be larger than all else in a report."""
LATENCY_RUNS = 100
LATENCY_BUDGET_S = 6.0


class Inferring(Protocol):
    """An interpreter or a whole runtime."""

    input: TensorSpec
    output: TensorSpec
    outputs: tuple[TensorSpec, ...]

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The input tensor -> all raw outputs."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Pictures in network pixels, and how they become a tensor."""

    pixels: Pixels | Stored
    contract: InputContract

    def tensors(self, network: Inferring) -> Iterator[Tensor]:
        """Each picture in the shape and dtype of the network's input."""
        table = pixel_table(self.contract, network.input)
        channels = np.arange(table.shape[1])
        for picture in self.pixels:
            yield table[picture, channels].reshape(network.input.shape)


def scores(network: Inferring, feed: Feed, what: str, progress: bool, place: int = 0) -> Scores:
    """Real (dequantised) values of the output at `place`, for every picture."""
    output = network.outputs[place]
    rows = np.empty((len(feed.pixels), int(np.prod(output.shape))), np.float32)
    steps = bar(range(len(feed.pixels)), what, progress)
    for row, tensor in zip(steps, feed.tensors(network), strict=True):
        rows[row] = output.dequantize(network.infer(tensor)[place]).ravel()
    return rows


def accuracy(scores_: Scores, truth: Truth) -> float:
    """Share of pictures whose highest score is the true label's, 0..1."""
    return float(np.mean(scores_.argmax(axis=1) == truth))


def agreement(one: Scores, other: Scores) -> float:
    """Share of pictures for which both have the same highest label, 0..1."""
    return float(np.mean(one.argmax(axis=1) == other.argmax(axis=1)))


def divergences(contract: Contract, one: Scores, other: Scores) -> npt.NDArray[np.float64]:
    """(n,) Kullback-Leibler divergences of the second's probabilities from the first's, nats.

    Probabilities below half a step of an int8 output count as that half step.
    """
    target, answer = distribution(contract, one), distribution(contract, other)
    return np.asarray((target * np.log(target / answer)).sum(axis=1))


def distribution(contract: Contract, scores_: Scores) -> npt.NDArray[np.float64]:
    """Scores -> probabilities above zero that add up to 1."""
    clipped = np.clip(probabilities(contract, scores_).astype(np.float64), SMALLEST, None)
    return np.asarray(clipped / clipped.sum(axis=1, keepdims=True))


def confusion(scores_: Scores, truth: Truth) -> npt.NDArray[np.int64]:
    """(classes, classes) counts: the row is the true label, the column the answer."""
    classes = scores_.shape[1]
    flat = truth * classes + scores_.argmax(axis=1)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def latencies_ms(networks: tuple[Inferring, ...]) -> tuple[float, ...]:
    """Median time of one inference on zeros of each, milliseconds, at their own threads.

    They take turns, so that whatever else the machine does falls on all of them alike.
    """
    tensors = [np.zeros(one.input.shape, one.input.dtype) for one in networks]
    taken: list[list[float]] = [[] for _ in networks]
    started = time.perf_counter()
    while len(taken[0]) < LATENCY_RUNS and time.perf_counter() - started < LATENCY_BUDGET_S:
        for network, tensor, times in zip(networks, tensors, taken, strict=True):
            before = time.perf_counter()
            network.infer(tensor)
            times.append(time.perf_counter() - before)
    return tuple(float(np.median(times[1:] or times) * 1000) for times in taken)
