"""A graph's tensors, checked: types, shapes, quantisation, and that their buffers fit."""

import math
from dataclasses import dataclass

from edge.flatbuffer import schema
from edge.flatbuffer.reader import Damaged, Table

MOST_BYTES = 1 << 30
"""Of one tensor, and of all activations together: far more than a device here has for them."""
LONGEST_SIDE = 1 << 24
MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the file says of one tensor."""

    where: str
    """For messages: its number and its name."""
    shape: tuple[int, ...]
    type: int
    constant: bool
    """It has its values in the file."""
    variable: bool
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int

    @property
    def bytes(self) -> int:
        """What its elements take."""
        return (math.prod(self.shape) * schema.BITS[self.type] + 7) // 8


def buffer_sizes(model: Table, file_bytes: int) -> list[int]:
    """Bytes in each of the model's buffers. Raises Damaged where one leaves the file.

    Buffers made by ai-edge-quantizer lie behind the flatbuffer's root, at a place of 64 bits;
    the places 0 and 1 mean that there is none.
    """
    sizes = []
    for number, buffer in enumerate(model.tables(schema.Model.BUFFERS)):
        _, inside = buffer.bytes_at(schema.Buffer.DATA)
        offset = buffer.number(schema.Buffer.OFFSET, "Q")
        size = buffer.number(schema.Buffer.SIZE, "Q")
        if offset > 1 and offset + size > file_bytes:
            raise Damaged(f"buffer {number} reaches from byte {offset} outside the file")
        if offset > 1 and inside:
            raise Damaged(f"buffer {number} lies in two places")
        sizes.append(size if offset > 1 else inside)
    return sizes


def read_tensor(table: Table, number: int, buffers: list[int]) -> Tensor:
    """One tensor's table -> the tensor. Raises Damaged with its name."""
    quantization = table.table(schema.Tensor.QUANTIZATION)
    buffer = table.number(schema.Tensor.BUFFER, "I")
    where = f"tensor {number} ({table.string(schema.Tensor.NAME)[:60]})"
    if buffer >= max(1, len(buffers)):
        raise Damaged(f"{where} lies in buffer {buffer} of {len(buffers)}")
    if table.table(schema.Tensor.SPARSITY) or table.number(schema.Tensor.EXTERNAL, "I"):
        raise Damaged(f"{where} is sparse or lies in another file, which is not supported")
    if quantization and quantization.number(schema.Quantization.DETAILS_TYPE, "B"):
        raise Damaged(f"{where} is quantised in a way that is not supported")
    stored = buffers[buffer] if buffers else 0
    tensor = Tensor(
        where=where,
        shape=table.numbers(schema.Tensor.SHAPE, "i"),
        type=table.number(schema.Tensor.TYPE, "b"),
        constant=stored > 0,
        variable=bool(table.number(schema.Tensor.VARIABLE, "b")),
        scales=quantization.numbers(schema.Quantization.SCALE, "f") if quantization else (),
        zero_points=quantization.numbers(schema.Quantization.ZERO_POINT, "q")
        if quantization
        else (),
        quantized_dimension=quantization.number(schema.Quantization.DIMENSION, "i")
        if quantization
        else 0,
    )
    _check_size(tensor, stored)
    _check_quantization(tensor)
    return tensor


def _check_size(tensor: Tensor, stored: int) -> None:
    if tensor.type not in schema.BITS:
        raise Damaged(f"{tensor.where} has the type {tensor.type}, which no CNN needs")
    if len(tensor.shape) > MOST_DIMENSIONS or not all(
        0 <= side <= LONGEST_SIDE for side in tensor.shape
    ):
        raise Damaged(f"{tensor.where} has the shape {list(tensor.shape[:9])}")
    if tensor.bytes > MOST_BYTES:
        raise Damaged(f"{tensor.where} takes {tensor.bytes >> 20} MiB")
    if stored and stored != tensor.bytes:
        raise Damaged(f"{tensor.where} needs {tensor.bytes} bytes, its buffer has {stored}")


def _check_quantization(tensor: Tensor) -> None:
    scales, zero_points, dimension = (
        tensor.scales,
        tensor.zero_points,
        tensor.quantized_dimension,
    )
    if not all(math.isfinite(scale) and scale >= 0 for scale in scales):
        raise Damaged(f"{tensor.where} has a scale that is none")
    if not scales:
        return
    if len(zero_points) not in (1, len(scales)):
        raise Damaged(f"{tensor.where} has {len(scales)} scales and {len(zero_points)} zero points")
    sides = max(1, len(tensor.shape))
    if not 0 <= dimension < sides:
        raise Damaged(
            f"{tensor.where}: quantized_dimension {dimension} is not one of its {sides} dimensions"
        )
    if len(scales) > 1 and len(scales) != tensor.shape[dimension]:
        raise Damaged(
            f"{tensor.where} has {len(scales)} scales for {tensor.shape[dimension]} channels"
        )
