"""Answers and truth -> the order of the labels that fits clearly better than the stated one. Pure.

Class folders are sorted by name, a network's outputs are in whatever order it was trained in.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Index = npt.NDArray[np.int64]

CLEARLY = 0.03
"""Share of the pictures by which another way must be better, at the least."""
SIGMAS = 2.5
"""And by so many standard errors of the paired difference."""
PICTURES_A_LABEL = 4
"""With fewer, an order that fits by chance looks like one that is right."""
STATED = 0.25
"""Pictures that the stated order is worth for each label: it holds if nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Order:
    """For each output, the index of the label that it stands for, and the share that is right."""

    outputs: tuple[int, ...]
    accuracy: float


def fitting(answers: Index, truth: Index, labels: int) -> Order | None:
    """Another order of the labels, if it is clearly better: fitted to one half of the pictures,
    it is judged on the other half, so that no order fits by chance."""
    if labels < 2 or len(truth) < PICTURES_A_LABEL * labels or _never(answers, truth):
        return None
    half = _halves(truth)
    right = np.zeros(len(truth), np.bool_)
    for fitted in (half, ~half):
        outputs = _order(answers[fitted], truth[fitted], labels)
        right[~fitted] = outputs[answers[~fitted]] == truth[~fitted]
    if not clearly_better(right, answers == truth):
        return None
    outputs = _order(answers, truth, labels)
    return Order(tuple(outputs.tolist()), float((outputs[answers] == truth).mean()))


def most(answers: Index, truth: Index, labels: int) -> float:
    """The share that is right with the order that fits best, be it by chance."""
    return float((_order(answers, truth, labels)[answers] == truth).mean())


def clearly_better(other: npt.NDArray[np.bool_], stated: npt.NDArray[np.bool_]) -> bool:
    """Whether more pictures are right one way than the other, beyond chance."""
    gain = other.astype(float) - stated
    error = float(gain.std()) / len(gain) ** 0.5
    return bool(float(gain.mean()) > max(CLEARLY, SIGMAS * error))


def chance(answers: Index, truth: Index, labels: int) -> float:
    """The share that would be right if answers and truth had nothing to do with each other."""
    shares = [np.bincount(one, minlength=labels) / len(one) for one in (answers, truth)]
    return float((shares[0] * shares[1]).sum())


def below_chance(answers: Index, truth: Index, labels: int) -> bool:
    """Whether fewer are right than by chance, beyond chance."""
    by_chance = chance(answers, truth, labels)
    error = (by_chance * (1 - by_chance) / len(truth)) ** 0.5
    return bool(float((answers == truth).mean()) < by_chance - SIGMAS * error)


def _never(answers: Index, truth: Index) -> bool:
    """Whether no other order can be clearly better."""
    return float((answers == truth).mean()) > 1 - CLEARLY or len(set(answers.tolist())) < 2


def _halves(truth: Index) -> npt.NDArray[np.bool_]:
    """(n,) every second picture of each label."""
    half = np.zeros(len(truth), np.bool_)
    for label in np.unique(truth):
        half[np.flatnonzero(truth == label)[::2]] = True
    return half


def _order(answers: Index, truth: Index, labels: int) -> Index:
    """(labels,) the label of each output, for which most pictures are right."""
    counts = np.zeros((labels, labels))
    np.add.at(counts, (answers, truth), 1.0)
    return assigned(counts + STATED * np.eye(labels))


def assigned(worth: npt.NDArray[np.float64]) -> Index:
    """(n, n) worth of each column to each row -> the column of every row, each once, so that the
    sum is largest (Kuhn 1955, by shortest augmenting paths: Jonker and Volgenant 1987)."""
    size = len(worth)
    cost = worth.max() - worth
    rows, columns = np.zeros(size + 1), np.zeros(size + 1)
    owner = np.zeros(size + 1, np.int64)  # the row, from 1, that has each column, from 1
    for row in range(1, size + 1):
        _augment(cost, rows, columns, owner, row)
    found = np.empty(size, np.int64)
    found[owner[1:] - 1] = np.arange(size)
    return found


def _augment(
    cost: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64],
    columns: npt.NDArray[np.float64],
    owner: Index,
    row: int,
) -> None:
    """Give `row` a column; others move to their next best where that is cheapest in all."""
    size = len(cost)
    owner[0], at = row, 0
    least, came_from = np.full(size + 1, np.inf), np.zeros(size + 1, np.int64)
    used = np.zeros(size + 1, np.bool_)
    while owner[at]:
        used[at] = True
        free = np.flatnonzero(~used[1:]) + 1
        reduced = cost[owner[at] - 1, free - 1] - rows[owner[at]] - columns[free]
        closer = reduced < least[free]
        least[free[closer]], came_from[free[closer]] = reduced[closer], at
        following = int(free[np.argmin(least[free])])
        step = least[following]
        rows[owner[used]] += step
        columns[used] -= step
        least[~used] -= step
        at = following
    while at:
        owner[at] = owner[came_from[at]]
        at = int(came_from[at])
