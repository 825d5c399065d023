"""A model's input and outputs in a memory that two processes see."""

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from edge.errors import FatalError
from edge.types import Tensor, TensorSpec

ALIGNED = 64


class Shared:
    """Views of the tensors, one after the other, the input first."""

    def __init__(self, memory: int, specs: tuple[TensorSpec, ...]) -> None:
        """`memory` is a descriptor, closed by whoever opened it. Raises FatalError where it is
        smaller than the tensors."""
        *places, size = _places(specs)
        if os.fstat(memory).st_size < size:
            raise FatalError("the memory for its tensors is too small")
        self._map = mmap.mmap(memory, size)
        self.input, *self.outputs = (
            np.frombuffer(self._map, spec.dtype, _count(spec), place).reshape(spec.shape)
            for spec, place in zip(specs, places, strict=True)
        )

    def close(self) -> None:
        """The views go with it; one that somebody still holds keeps the memory until then."""
        del self.input, self.outputs
        with suppress(BufferError):
            self._map.close()


def make_room(memory: int, specs: tuple[TensorSpec, ...]) -> None:
    """As large as the tensors, for good: neither side can take memory from under the other."""
    *_, size = _places(specs)
    os.ftruncate(memory, size)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)


def put(view: Tensor, tensor: Tensor) -> None:
    """Raises ValueError where shape or type differ."""
    if view.shape != tensor.shape or view.dtype != tensor.dtype:
        raise ValueError(
            f"a tensor of {tensor.dtype} {list(tensor.shape)} instead of "
            f"{view.dtype} {list(view.shape)}"
        )
    view[...] = tensor


def _places(specs: tuple[TensorSpec, ...]) -> Iterator[int]:
    """Where each tensor begins, and at last where the memory ends."""
    place = 0
    for spec in specs:
        yield place
        place += -(-_count(spec) * spec.dtype.itemsize // ALIGNED) * ALIGNED
    yield max(place, ALIGNED)


def _count(spec: TensorSpec) -> int:
    count = 1
    for side in spec.shape:
        count *= side
    return count
