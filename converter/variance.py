"""A float flatbuffer -> the tensors of its normalisations that int8 is too coarse for. Pure.

The variance of a smooth part of a picture is less than a 256th of the largest: in int8 it rounds
to nothing, and its inverse root is then the largest that was calibrated. The same goes for the
length of a vector, and for the huge number that bounds its inverse in the graph.
"""

from collections.abc import Iterator
from typing import Any

from converter.flatbuffer import operator_names, unpack

SQUARES = ("SQUARED_DIFFERENCE", "SQUARE")
INSIDE = ("MINIMUM", "RSQRT", "ADD", "MAXIMUM", "MEAN", "SUM", *SQUARES)
"""The operators of 1 / sqrt(mean(squares) + epsilon) and of min(1 / sqrt(sum(squares)), huge)."""


def variances(flatbuffer: bytes) -> tuple[str, ...]:
    """The names of the tensors from squares to inverse roots; empty where there is no root."""
    model = unpack(flatbuffer)
    graph = model.subgraphs[0]
    pairs = zip(graph.operators, operator_names(model), strict=True)
    made_by = {int(op.outputs[0]): (op, kind) for op, kind in pairs}
    ends = [tensor for tensor, (_, kind) in made_by.items() if kind in ("MINIMUM", "RSQRT")]
    chains = [list(_back(made_by, end)) for end in ends]
    roots = [chain for chain in chains if any(made_by[one][1] == "RSQRT" for one in chain)]
    inside = sorted(set().union(*roots))
    return tuple(graph.tensors[tensor].name.decode() for tensor in inside)


def _back(made_by: dict[int, Any], tensor: int) -> Iterator[int]:
    """From a tensor to the squares that it is made of."""
    op, kind = made_by.get(tensor, (None, ""))
    if kind in INSIDE:
        yield tensor
        if kind not in SQUARES:
            yield from _back(made_by, int(op.inputs[0]))
