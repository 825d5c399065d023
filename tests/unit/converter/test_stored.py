"""Pictures in a file are indexed as an array is, and need no memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.stored import Pixels, Stored

SHAPE = (4, 5, 3)


@pytest.fixture
def array() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (9, *SHAPE)).astype(np.uint8)


@pytest.fixture
def stored(array: Pixels, tmp_path: Path) -> Stored:
    file = tmp_path / "pixels"
    file.write_bytes(array.tobytes() + b"room for those that could not be read")
    return Stored(file, SHAPE, np.arange(len(array)))


def test_it_is_indexed_as_an_array(array: Pixels, stored: Stored) -> None:
    rows = np.array([7, 0, 3])
    assert stored.shape == array.shape and len(stored) == len(array)
    keys: list[Any] = [
        3,
        -1,
        np.int64(2),
        slice(None),
        slice(2, 7, 2),
        rows,
        [1, 8],
        (rows, ..., slice(0, 2)),
    ]
    for key in [*keys, (4, 0, 1), array[:, 0, 0, 0] > 90, slice(0, 0)]:
        assert np.array_equal(stored[key], array[key])
    for one, other in zip(stored, array, strict=True):
        assert np.array_equal(one, other)


def test_those_taken_are_the_same(array: Pixels, stored: Stored) -> None:
    rows = np.array([8, 1, 5])
    taken = stored.take(rows).take(np.array([2, 0]))
    assert np.array_equal(taken[:], array[rows][[2, 0]])
    assert len(stored.take(np.array([], np.int64))[:]) == 0


READING = """
import resource, sys
from pathlib import Path
import numpy as np
from converter import data
from converter.preparation import split
from edge.model import InputContract

def used():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

listing = data.Listing((), (data.Picture(Path(sys.argv[1])),) * int(sys.argv[3]))
before = used()
photos = data.read(listing, InputContract(width=512, height=512), Path(sys.argv[2]), False)
parts = split(photos, *data.split(photos, 40))
for picture in parts.held_out.pixels:
    picture.sum()
print(used() - before)
"""


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    picture = tmp_path / "one.ppm"
    picture.write_bytes(b"P6 8 8 255\n" + bytes(range(192)))
    command = [sys.executable, "-c", READING, str(picture), str(tmp_path), "160"]  # 120 MiB
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(ran.stdout) < 40
