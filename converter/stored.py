"""Pictures in a file, which are in memory only while they are looked at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""(n, height, width, channels) in the network's size and colour order, before normalisation."""
Rows = npt.NDArray[np.int64]
"""Row numbers of pictures."""


class Stored:
    """Some pictures of a file with many, indexed like an array; what is taken out is one.

    A mapped file would be simpler, and each of its pages that was looked at counts as memory.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], rows: Rows) -> None:
        """`shape` is one picture's; `rows` are their places in the file."""
        self._path, self._picture, self._rows = path, shape, rows

    @property
    def shape(self) -> tuple[int, ...]:
        """As an array has it."""
        return (len(self._rows), *self._picture)

    def take(self, rows: Rows) -> "Stored":
        """Those with these row numbers, still in the file."""
        return Stored(self._path, self._picture, self._rows[rows])

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Pixels]:
        return map(self._read, self._rows)

    def __getitem__(self, key: Any) -> Pixels:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, int | np.integer):
            return np.asarray(self._read(self._rows[first])[tuple(rest)], np.uint8)
        chosen = self._rows[first]
        pixels = np.empty((len(chosen), *self._picture), np.uint8)
        for place, row in enumerate(chosen):
            pixels[place] = self._read(row)
        return pixels[(slice(None), *rest)]

    def _read(self, row: np.int64) -> Pixels:
        size = int(np.prod(self._picture))
        found = np.fromfile(self._path, np.uint8, size, offset=int(row) * size)
        return found.reshape(self._picture)
