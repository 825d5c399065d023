"""Pictures that fit and judge at once -> figures that no picture helped to fit. Pure.

Cross-fitting: the pictures are parted, and what is fitted to all parts but one is judged on that
one. Every picture judges, and none judges what it was fitted to.
"""

import numpy as np
import numpy.typing as npt

from converter.measure import Scores, Truth
from converter.quality import reject_threshold, temperature
from edge.decode import probabilities
from edge.model import Contract

FOLDS = 5
"""Parts."""

Reals = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


def temperature_helps(contract: Contract, scores: Scores, truth: Truth) -> bool:
    """Whether the negative log likelihood falls by more than a standard error, picture by picture,
    at the temperature that other pictures ask for."""
    parts, gains = spread(len(truth)), np.zeros(len(truth))
    for part in range(FOLDS):
        here = parts == part
        value = temperature(contract, scores[~here], truth[~here])
        warm = contract.model_copy(update={"temperature": value})
        gains[here] = _losses(contract, scores[here], truth[here])
        gains[here] -= _losses(warm, scores[here], truth[here])
    return bool(gains.mean() > gains.std() / max(1, len(gains)) ** 0.5)


def rejected(known: Reals, unknown: Reals) -> tuple[float, float]:
    """The shares of known and unknown pictures, by their (n,) highest probabilities, that the
    threshold which others chose turns away, 0..1."""
    known_parts, unknown_parts = spread(len(known)), runs(len(unknown))
    counts = np.zeros(2)
    for part in range(FOLDS):
        here, there = known_parts == part, unknown_parts == part
        if here.all() or there.all():
            continue
        below = reject_threshold(known[~here], unknown[~there])
        counts += (known[here] < below).sum(), (unknown[there] < below).sum()
    return float(counts[0] / max(1, len(known))), float(counts[1] / max(1, len(unknown)))


def spread(pictures: int) -> Numbers:
    """(n,) part numbers, in turn: pictures are in the order of their labels, so each part has all
    labels."""
    return np.arange(pictures, dtype=np.int64) % FOLDS


def runs(pictures: int) -> Numbers:
    """(n,) part numbers, in runs: pictures that follow each other are often nearly the same."""
    return np.arange(pictures, dtype=np.int64) * FOLDS // max(1, pictures)


def _losses(contract: Contract, scores: Scores, truth: Truth) -> npt.NDArray[np.float64]:
    """(n,) negative log likelihoods of the truth."""
    chances = probabilities(contract, scores)[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(chances.astype(np.float64), 1e-12, None)))
