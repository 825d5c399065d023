"""Where tracks should be and where boxes are -> by how much the whole picture moved.

A camera on a mast shakes, and all boxes shift together. Taken for the objects' own motion, the
shift would throw every prediction off: it is estimated from the boxes themselves and taken off.
"""

import numpy as np
import numpy.typing as npt

from edge.track import match
from edge.track.kalman import Rows

WITNESSES = 3
"""Tracks that must have moved alike, at least: two may do so by chance."""
SHARE = 0.6
"""Of the tracks, which must have."""
MOST = 12
"""Tracks that are asked; more would cost time and tell nothing new."""
NEAREST = 3
"""Boxes that each of them may have become."""
GAIN = 0.1
"""By how much the boxes must overlap better for it: a step that the filter expects is no shake."""
ALIKE = 0.3
"""How far apart two shifts may lie and be the same, in box sizes."""


def shift(expected: Rows, seen: Rows, same: npt.NDArray[np.bool_]) -> Rows:
    """(n, 4) expected and (m, 4) seen places, `same` (n, m) where they may be one object ->
    (2,) x and y by which most of the expected ones are off, in the same way; zeros if there is no
    such shift.

    Every pair proposes its own shift; the one that most tracks can follow is taken, among equals
    the smallest.
    """
    if len(expected) < WITNESSES or len(seen) < WITNESSES:
        return np.zeros(2)
    expected, same = expected[-MOST:], same[-MOST:]
    apart = (seen[None, :, :2] - expected[:, None, :2]) / expected[:, None, 2:]
    far = np.where(same, (apart**2).sum(axis=2), np.inf)
    near = np.argpartition(far, min(NEAREST, far.shape[1]) - 1, axis=1)[:, :NEAREST]
    rows = np.arange(len(expected))[:, None]
    moved = np.where(np.isfinite(far[rows, near])[..., None], _moved(expected, seen[near]), np.inf)
    proposed = moved.reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        off = np.abs(moved[None] - proposed[:, None, None]) / expected[None, :, None, 2:]
    follow = (off <= ALIKE).all(axis=3)  # (proposals, tracks, their nearest)
    votes = follow.any(axis=2).sum(axis=1)
    size = (proposed**2).sum(axis=1)
    best = int(np.lexsort((size, -votes))[0])
    if votes[best] < max(WITNESSES, SHARE * len(expected)):
        return np.zeros(2)
    found: Rows = np.median(moved[follow[best]], axis=0)
    moved_on = expected + np.array([*found, 0, 0])
    better = _overlap(moved_on, seen, same) - _overlap(expected, seen, same)
    return found if better >= GAIN else np.zeros(2)


def _overlap(expected: Rows, seen: Rows, same: npt.NDArray[np.bool_]) -> float:
    """The mean of the best overlaps that the expected boxes find."""
    overlap = match.iou(match.edges(expected), match.edges(seen)) * same
    return float(overlap.max(axis=1).mean())


def _moved(expected: Rows, near: Rows) -> Rows:
    return np.asarray(near[..., :2] - expected[:, None, :2])
