"""Which box is which: overlap of predicted and seen boxes -> pairs."""

import numpy as np
import numpy.typing as npt

from edge.track.kalman import Rows

Mask = npt.NDArray[np.bool_]
Pairs = list[tuple[int, int]]


def edges(places: Rows) -> Rows:
    """(n, 4) centre x, centre y, width, height -> x_min, y_min, x_max, y_max."""
    half = places[:, 2:] / 2
    return np.concatenate([places[:, :2] - half, places[:, :2] + half], axis=1)


def shared(one: Rows, other: Rows) -> Rows:
    """(n, 4) and (m, 4) edges -> (n, m) area of the intersections."""
    width = np.minimum(one[:, None, 2], other[:, 2]) - np.maximum(one[:, None, 0], other[:, 0])
    height = np.minimum(one[:, None, 3], other[:, 3]) - np.maximum(one[:, None, 1], other[:, 1])
    return np.asarray(np.maximum(width, 0) * np.maximum(height, 0))


def area(boxes: Rows) -> Rows:
    """(n, 4) edges -> (n,) areas."""
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))


def iou(one: Rows, other: Rows) -> Rows:
    """(n, 4) and (m, 4) edges -> (n, m) intersection over union."""
    both = shared(one, other)
    return np.asarray(both / np.maximum(area(one)[:, None] + area(other) - both, 1e-12))


def greedy(likeness: Rows, least: float) -> Pairs:
    """(n, m) -> pairs (row, column) with at least that likeness, the likest first.

    On our scenes the optimal assignment changes no identity (docs/benchmarks.md); this is
    simpler and faster.
    """
    rows, columns = np.nonzero(likeness >= least)
    order = np.argsort(-likeness[rows, columns], kind="stable")
    pairs: Pairs = []
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            pairs.append((row, column))
    return pairs


def among(likeness: Rows, free: Mask, columns: Mask, least: float) -> Pairs:
    """`greedy` on the free rows and some columns; who finds a partner is free no more."""
    if not free.any() or not columns.any():
        return []
    pairs = greedy(np.where(free[:, None] & columns, likeness, 0), least)
    for row, column in pairs:
        free[row] = columns[column] = False
    return pairs
