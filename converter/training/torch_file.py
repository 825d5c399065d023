"""A PyTorch state dict (`torch.save` before 1.6) -> arrays, without PyTorch, running no code.

Layout: pickles of a magic number, the protocol, the system, the dict and the storages' keys; then
each storage as a 64-bit count and its values (torch/serialization.py, `_legacy_save`).
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edge.errors import FatalError

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}

Arrays = dict[str, npt.NDArray[Any]]
View = tuple[str, int, tuple[int, ...], tuple[int, ...]]
"""Storage's key, first value, shape, and values from one to the next along each axis."""


def read(path: Path) -> Arrays:
    """Names -> arrays. Raises FatalError for a file that is none, or holds anything else."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except (OSError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise FatalError(f"{path}: is no PyTorch file of weights ({error})") from None


def _read(file: BinaryIO) -> Arrays:
    if _Weights(file).load() != MAGIC:
        raise ValueError("another kind of file")
    for _ in ("protocol", "system"):
        _Weights(file).load()
    weights = _Weights(file)
    views: dict[str, View] = weights.load()
    values = {}
    for key in _Weights(file).load():
        kind, count = weights.storages[key]
        if int.from_bytes(file.read(8), "little") != count:
            raise ValueError("a storage has another size than it says")
        values[key] = np.frombuffer(file.read(count * kind.itemsize), kind, count)
    return {name: _array(values[view[0]], view) for name, view in views.items()}


def _array(values: npt.NDArray[Any], view: View) -> npt.NDArray[Any]:
    _, start, shape, steps = view
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if start < 0 or last >= len(values) or min((*shape, *steps), default=1) < 1:
        raise ValueError("a tensor reaches beyond its storage")
    strides = [step * values.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(values[start:], shape, strides).copy()


class _Weights(pickle.Unpickler):
    """Knows dicts, numbers and tensors; everything else is refused before it is made."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[np.dtype[Any], int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in STORAGES:
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is neither a number nor a tensor")

    def persistent_load(self, pid: Any) -> str:
        _, kind, key, _, count, _ = pid
        self.storages[str(key)] = (STORAGES[str(kind)], int(count))
        return str(key)


def _view(key: str, start: int, shape: tuple[int, ...], steps: tuple[int, ...], *_: Any) -> View:
    return key, start, shape, steps
