"""Scores and truth -> per-class figures, calibration error, temperature, reject threshold. Pure."""

from typing import Any

import numpy as np
import numpy.typing as npt

from converter.measure import Scores, Truth, confusion
from edge.decode import probabilities
from edge.model import Contract

ECE_BINS = 15
TEMPERATURES = np.geomspace(0.25, 8.0, 161)
"""Steps of 2 %."""

ENOUGH_FOR_TEMPERATURE = 30
CONFIDENT = 1.96
"""Standard deviations on either side of a 95 % interval."""


def per_class(labels: tuple[str, ...], scores: Scores, truth: Truth) -> list[dict[str, Any]]:
    """Pictures, precision, recall and F1 of every label that has pictures."""
    table = confusion(scores, truth)
    return [
        {"label": label, "pictures": int(table[index].sum())} | _figures(table, index)
        for index, label in enumerate(labels)
        if table[index].sum()
    ]


def by_class(
    labels: tuple[str, ...], one: Scores, other: Scores, truth: Truth
) -> list[dict[str, Any]]:
    """Pictures, precision, recall and F1 of every label, float and int8."""
    tables = {"float": confusion(one, truth), "int8": confusion(other, truth)}
    rows = []
    for index, label in enumerate(labels):
        row: dict[str, Any] = {"label": label, "pictures": int(tables["float"][index].sum())}
        rows.append(row | {kind: _figures(table, index) for kind, table in tables.items()})
    return rows


def _figures(table: npt.NDArray[np.int64], index: int) -> dict[str, float]:
    """Precision, recall and F1 (their harmonic mean), 0 where nothing was there to count."""
    right = float(table[index, index])
    precision = right / max(1.0, float(table[:, index].sum()))
    recall = right / max(1.0, float(table[index].sum()))
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def paired_interval(one: Scores, other: Scores, truth: Truth) -> tuple[float, float]:
    """95 % interval of `accuracy(other) - accuracy(one)`, from the pictures' own differences."""
    right = (other.argmax(axis=1) == truth).astype(float) - (one.argmax(axis=1) == truth)
    error = CONFIDENT * float(right.std()) / max(1, len(right)) ** 0.5
    return float(right.mean()) - error, float(right.mean()) + error


def ece(chances: Scores, truth: Truth) -> float:
    """Expected calibration error of (n, classes) probabilities, 0..1.

    The mean gap between confidence and accuracy over 15 equal bins of confidence, each weighted
    by its pictures (Guo et al. 2017, On Calibration of Modern Neural Networks, equation 3).
    """
    confidence = chances.max(axis=1)
    right = chances.argmax(axis=1) == truth
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        abs(float(right[bins == number].mean()) - float(confidence[bins == number].mean()))
        * float((bins == number).mean())
        for number in np.unique(bins)
    ]
    return sum(gaps)


def temperature(contract: Contract, scores: Scores, truth: Truth) -> float:
    """The temperature with the smallest negative log likelihood of the truth."""
    if len(truth) < ENOUGH_FOR_TEMPERATURE:
        return 1.0
    rows = np.arange(len(truth))

    def loss(value: float) -> float:
        warm = contract.model_copy(update={"temperature": value})
        chances = probabilities(warm, scores)[rows, truth]
        return float(-np.log(np.clip(chances, 1e-12, None)).mean())

    return float(min((*TEMPERATURES, 1.0), key=loss))


def reject_threshold(known: npt.NDArray[np.float32], unknown: npt.NDArray[np.float32]) -> float:
    """The confidence below which a picture is none of the labels.

    Both are (n,) highest probabilities. Maximises the share of known pictures kept plus the
    share of unknown ones rejected (Youden 1950, Index for rating diagnostic tests).
    """
    values = np.unique(np.concatenate([known, unknown]))
    edges = np.concatenate([[0.0], (values[:-1] + values[1:]) / 2])
    kept = (known[:, None] >= edges).mean(axis=0)
    rejected = (unknown[:, None] < edges).mean(axis=0)
    return float(edges[int(np.argmax(kept + rejected))])
