"""Scores and truth -> per-class figures, calibration error, temperature, reject threshold. Pure."""

from dataclasses import dataclass
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


def at_thresholds(contract: Contract, chances: Scores, truth: Truth | None) -> list[dict[str, Any]]:
    """Every label's threshold; of labelled pictures, what precision and recall are with it."""
    rows: list[dict[str, Any]] = []
    for label, threshold in contract.thresholds.items():
        row: dict[str, Any] = {"label": label, "threshold": threshold}
        if truth is not None and label in contract.labels:
            index = contract.labels.index(label)
            told = chances[:, index] >= threshold
            right = float((told & (truth == index)).sum())
            row["precision"] = right / max(1.0, float(told.sum()))
            row["recall"] = right / max(1.0, float((truth == index).sum()))
        rows.append(row)
    return rows


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


@dataclass(frozen=True, slots=True)
class Change:
    """What int8 did to the pictures that were named rightly, and to the others."""

    lost: int
    """Pictures that only the first network names rightly."""
    gained: int
    """Pictures that only the second does."""
    standard_error: float
    """Of the change in accuracy, 0..1, picture by picture."""
    interval_95: tuple[float, float]
    """Of the change in accuracy."""


def paired_change(one: Scores, other: Scores, truth: Truth) -> Change:
    """From `one` to `other`, both (n, classes) scores of the same pictures."""
    before, after = one.argmax(axis=1) == truth, other.argmax(axis=1) == truth
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    _, error = _moments(lost, gained, len(truth))
    return Change(lost, gained, error, paired_interval(lost, gained, len(truth)))


def paired_interval(lost: float, gained: float, pictures: int) -> tuple[float, float]:
    """95 % interval of a change in accuracy, -1..1, from pictures that both networks saw.

    Wald's, with one more picture lost and one more gained (Bonett and Price 2012, Adjusted Wald
    confidence interval for a difference of binomial proportions based on paired data, Journal of
    Educational and Behavioral Statistics 37, 479-488; recommended by Fagerland et al. 2014,
    Statistics in Medicine 33, 2850-2875). Without them it is too sure where few pictures change,
    and has no width where none does.
    """
    mean, error = _moments(lost + 1, gained + 1, pictures + 2)
    return max(-1.0, mean - CONFIDENT * error), min(1.0, mean + CONFIDENT * error)


def _moments(lost: float, gained: float, pictures: int) -> tuple[float, float]:
    """Mean and standard error of a difference that is -1, 0 or 1 for each picture."""
    mean = (gained - lost) / max(1, pictures)
    spread = (gained + lost) / max(1, pictures) - mean**2
    return mean, (max(0.0, spread) / max(1, pictures)) ** 0.5


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
