"""A float flatbuffer -> the tensors of its layer normalisations that int8 is too coarse for. Pure.

The variance of a smooth part of a picture is less than a 256th of the largest: in int8 it rounds
to nothing, and its inverse root is then the largest that was calibrated.
"""

from collections.abc import Iterator
from typing import Any

from converter.flatbuffer import operator_names, unpack

SQUARES = ("SQUARED_DIFFERENCE", "SQUARE")
INSIDE = ("RSQRT", "ADD", "MEAN", *SQUARES)
"""The operators of 1 / sqrt(mean(squares) + epsilon)."""


def variances(flatbuffer: bytes) -> tuple[str, ...]:
    """The names of the tensors from inverse root back to squares; empty where there is no root."""
    model = unpack(flatbuffer)
    graph = model.subgraphs[0]
    pairs = zip(graph.operators, operator_names(model), strict=True)
    made_by = {int(op.outputs[0]): (op, kind) for op, kind in pairs}
    roots = [tensor for tensor, (_, kind) in made_by.items() if kind == "RSQRT"]
    inside = [tensor for root in roots for tensor in _back(made_by, root)]
    return tuple(graph.tensors[tensor].name.decode() for tensor in inside)


def _back(made_by: dict[int, Any], tensor: int) -> Iterator[int]:
    """From a root to the squares that it is made of."""
    op, kind = made_by.get(tensor, (None, ""))
    if kind in INSIDE:
        yield tensor
        if kind not in SQUARES:
            yield from _back(made_by, int(op.inputs[0]))
