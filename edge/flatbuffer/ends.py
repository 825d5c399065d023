"""A graph's two ends: that a picture goes in, and which operator made an output."""

from edge.errors import FatalError
from edge.flatbuffer import schema
from edge.flatbuffer.operators import operator_names
from edge.flatbuffer.reader import Table, root
from edge.text import shown

CARRIERS = frozenset(
    {
        "CAST", "DEQUANTIZE", "EXPAND_DIMS", "GATHER", "QUANTIZE", "RESHAPE", "SLICE", "SQUEEZE",
        "STRIDED_SLICE", "TRANSPOSE",
    }
)  # fmt: skip
"""Operators that pass values on as they are, in another shape or type."""

GIVE_LOGITS = frozenset({"BATCH_MATMUL", "CONV_2D", "FULLY_CONNECTED", "LOG_SOFTMAX"})
"""Operators after which a classifier's scores have yet to become probabilities."""


def check_input(graph: Table) -> None:
    """Raises FatalError where the graph wants more than a picture, or one of any size."""
    tables = graph.tables(schema.Graph.TENSORS)
    inputs = [tables[index] for index in graph.numbers(schema.Graph.INPUTS, "i")]
    if len(inputs) > 1:
        listed = ", ".join(_named(one) for one in inputs[:4])
        raise FatalError(
            f"takes {len(inputs)} inputs ({listed}), and only a picture can be given: it must be "
            "exported with the others fixed"
        )
    shape = inputs[0].numbers(schema.Tensor.SHAPE, "i")
    signature = inputs[0].numbers(schema.Tensor.SIGNATURE, "i")
    if any(side < 0 for side in signature[1:]) or shape in (
        (1, 1, 1, 1),
        (1, 1, 1, 3),
        (1, 3, 1, 1),
    ):
        told = f" ({list(signature)})" if signature else ""
        raise FatalError(
            f"leaves the size of its input {_named(inputs[0])} open{told}: it must be exported "
            "with a fixed height and width"
        )


def made_by(flatbuffer: bytes, place: int) -> str:
    """The operator that computed the values of an output, whatever passed them on since; empty
    where that is nothing."""
    model = root(flatbuffer, b"TFL3")
    names = operator_names(model)
    graph = model.tables(schema.Model.SUBGRAPHS)[0]
    outputs = graph.numbers(schema.Graph.OUTPUTS, "i")
    wanted = outputs[place] if place < len(outputs) else -1
    for operator in reversed(graph.tables(schema.Graph.OPERATORS)):
        code = operator.number(schema.Operator.CODE, "I")
        if wanted in operator.numbers(schema.Operator.OUTPUTS, "i") and code < len(names):
            used = operator.numbers(schema.Operator.INPUTS, "i")
            if names[code] not in CARRIERS or not used:
                return names[code]
            wanted = used[0]
    return ""


def _named(tensor: Table) -> str:
    shape = list(tensor.numbers(schema.Tensor.SHAPE, "i"))
    return f"{shown(tensor.string(schema.Tensor.NAME), 60)!r} {shape}"
