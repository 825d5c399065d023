"""Pictures -> groups of near-duplicates, so that none is on both sides of a split. Pure."""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
"""(n,) difference hashes of 64 bits."""

NEAR = 6
"""Bits by which two hashes of the same scene may differ: re-encoding and scaling cost 0 to 4,
two pictures of one class rarely have fewer than 10."""


def difference_hash(image: npt.NDArray[np.uint8]) -> int:
    """(rows, columns, 3) -> 64 bits: whether each of 8x8 grey cells is brighter than its left
    neighbour (dHash, N. Krawetz 2013, "Kind of Like That")."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1])
    return int.from_bytes(bits.tobytes())


def hashes(images: Iterable[npt.NDArray[np.uint8]]) -> Hashes:
    """(n,) of pictures (rows, columns, 3), or (rows, columns, 1) where they are grey."""
    colored = (np.broadcast_to(one, (*one.shape[:2], 3)) for one in images)
    return np.array([difference_hash(np.ascontiguousarray(one)) for one in colored], np.uint64)


def groups(hashes: Hashes, near: int = NEAR) -> npt.NDArray[np.int64]:
    """(n,) group numbers: pictures within `near` bits of each other, and of those, are one."""
    parents = np.arange(len(hashes))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = int(parents[row])
        return row

    for row in range(len(hashes) - 1):
        close = np.flatnonzero(np.bitwise_count(hashes[row + 1 :] ^ hashes[row]) <= near)
        for other in close + row + 1:
            one, two = root(row), root(int(other))
            parents[max(one, two)] = min(one, two)
    return np.array([root(row) for row in range(len(hashes))], np.int64)


def near_any(hashes: Hashes, others: Hashes, near: int = NEAR) -> npt.NDArray[np.bool_]:
    """(n,) whether a picture is a near-duplicate of any of the others."""
    if not len(others):
        return np.zeros(len(hashes), np.bool_)
    return np.array([bool((np.bitwise_count(others ^ one) <= near).any()) for one in hashes])


def split(
    truth: npt.NDArray[np.int64], grouped: npt.NDArray[np.int64], share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row numbers that stay and row numbers held out: about `share` of each class, whole groups."""
    random = np.random.default_rng(seed)
    held: list[int] = []
    for label in np.unique(truth):
        rows = np.flatnonzero(truth == label)
        wanted, taken = max(1, round(share * len(rows))), 0
        members = [rows[grouped[rows] == group] for group in np.unique(grouped[rows])]
        for number in random.permutation(len(members)):
            if taken + len(members[number]) <= wanted or not taken:
                held += members[number].tolist()
                taken += len(members[number])
    across = np.isin(grouped, grouped[held])  # a group may have pictures of several classes
    return np.flatnonzero(~across), np.flatnonzero(across)
