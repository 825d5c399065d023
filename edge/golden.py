"""golden.npz -> input tensors with the right raw outputs, read within bounds."""

import ast
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.errors import FatalError
from edge.flatbuffer.appended import unpacked
from edge.types import Tensor

GOLDEN_FILE = "golden.npz"
MOST_VECTORS = 256
MOST_OUTPUTS = 32
MAGIC = b"\x93NUMPY"
TYPES = frozenset(
    np.dtype(name) for name in ("i1", "u1", "i2", "i4", "i8", "f2", "f4", "f8", "?")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Golden:
    """Input tensors with the raw outputs that CPU inference gave for them at conversion."""

    inputs: Tensor
    """(n, height, width, channels) in the input tensor's dtype."""
    outputs: Tensor
    """(n, ...) in the first output tensor's dtype."""
    others: tuple[Tensor, ...] = ()
    """The same of the second output and those after it; files of earlier versions have none."""


def read(archive: bytes) -> Golden:
    """From the bytes of an .npz with `inputs`, `outputs` and, for further outputs, `outputs_1`,
    `outputs_2`, and so on. Raises FatalError with the reason."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            arrays = {name: _array(data) for name, data in unpacked(file, len(archive)).items()}
    except (
        OSError, ValueError, TypeError, EOFError, NotImplementedError, RuntimeError,
        SyntaxError, MemoryError, zlib.error, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise FatalError(str(error) or type(error).__name__) from None
    for name in ("inputs.npy", "outputs.npy"):
        if name not in arrays:
            raise FatalError(f"lacks {name}")
    others: list[Tensor] = []
    while (name := f"outputs_{len(others) + 1}.npy") in arrays:
        others.append(arrays[name])
    golden = Golden(arrays["inputs.npy"], arrays["outputs.npy"], tuple(others))
    counts = {len(array) for array in (golden.inputs, golden.outputs, *others)}
    if len(counts) != 1 or not 0 < len(golden.inputs) <= MOST_VECTORS:
        raise FatalError(f"expected as many outputs as inputs, 1 to {MOST_VECTORS}")
    if len(others) >= MOST_OUTPUTS:
        raise FatalError(f"holds {len(others) + 1} outputs, at most {MOST_OUTPUTS} are allowed")
    return golden


def written(inputs: Tensor, outputs: tuple[Tensor, ...]) -> bytes:
    """The .npz that `read` reads; `outputs` holds (n, ...) for each output, the first one first."""
    archive = io.BytesIO()
    names = ["outputs", *(f"outputs_{place}" for place in range(1, len(outputs)))]
    arrays: dict[str, Any] = dict(zip(names, outputs, strict=True))
    np.savez(archive, inputs=inputs, **arrays)
    return archive.getvalue()


def _array(data: bytes) -> Tensor:
    """A .npy file's array, without a copy (NumPy's NEP 1). Raises ValueError.

    numpy.load would make room for whatever shape the header declares.
    """
    if data[:6] != MAGIC or data[6:7] not in (b"\x01", b"\x02"):
        raise ValueError("holds what is no array")
    width = 2 if data[6] == 1 else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    if start > min(len(data), 4096):
        raise ValueError("an array's header is too long")
    header = ast.literal_eval(data[8 + width : start].decode("latin-1").strip())
    if not isinstance(header, dict) or not {"descr", "shape"} <= header.keys():
        raise ValueError("an array's header is damaged")
    shape, dtype = header["shape"], np.dtype(header["descr"])
    sound = isinstance(shape, tuple) and 0 < len(shape) <= 8 and all(map(_is_size, shape))
    if not sound or dtype not in TYPES or header.get("fortran_order") is not False:
        raise ValueError("holds an array of a kind that no golden vectors have")
    count = 1
    for side in shape:
        count *= side
    if count * dtype.itemsize != len(data) - start:
        raise ValueError("an array is not as large as it says")
    return np.frombuffer(data, dtype, count, start).reshape(shape)


def _is_size(side: object) -> bool:
    return isinstance(side, int) and not isinstance(side, bool) and side >= 0
