"""A .tflite file's bytes -> nothing, or why no interpreter should see them.

An interpreter trusts much of the file: it crashes where an index, a shape or a buffer's place is
wrong, and a buffer's place near 2^64 reads outside the file. All of that is looked at here.
"""

from edge.errors import FatalError
from edge.flatbuffer import schema
from edge.flatbuffer.ends import check_input
from edge.flatbuffer.operators import CUSTOM, check_operator, operator_names
from edge.flatbuffer.reader import Damaged, Table, root
from edge.flatbuffer.tensors import MOST_BYTES, Tensor, buffer_sizes, read_tensor

MOST_SUBGRAPHS = 16


def check(data: bytes, custom: tuple[str, ...] = (schema.POSTPROCESS,)) -> tuple[str, ...]:
    """The custom operators that the model has. Raises FatalError with what is wrong, without
    the file's name: it is not sound, or takes more than a picture.

    `custom` names the custom operators that may pass.
    """
    try:
        model = root(data, b"TFL3")
        buffers = buffer_sizes(model, len(data))
        names = operator_names(model)
        graphs = model.tables(schema.Model.SUBGRAPHS)
        if not 1 <= len(graphs) <= MOST_SUBGRAPHS:
            raise Damaged(f"it has {len(graphs)} graphs")
        if model.tables(schema.Model.EXTERNAL_GROUPS):
            raise Damaged("its weights lie in other files")
        _check_allowed(graphs, names, custom)
        counts = [_check_graph(graph, buffers, names) for graph in graphs]
        _check_annexes(model, len(buffers), counts)
    except Damaged as error:
        raise FatalError(f"is not a sound model: {error}") from None
    check_input(graphs[0])
    return tuple(name.removeprefix(CUSTOM) for name in names if name.startswith(CUSTOM))


def _check_allowed(graphs: list[Table], names: list[str], custom: tuple[str, ...]) -> None:
    for graph in graphs:
        for operator in graph.tables(schema.Graph.OPERATORS):
            code = operator.number(schema.Operator.CODE, "I")
            if code >= len(names):
                raise Damaged(f"an operator has the code {code} of {len(names)}")
            name = names[code]
            foreign = name.startswith(CUSTOM) and name.removeprefix(CUSTOM) not in custom
            if name.startswith("operator ") or foreign:
                raise Damaged(f"{name} is not among those that a CNN needs")


def _check_graph(graph: Table, buffers: list[int], names: list[str]) -> int:
    """One graph; returns how many tensors it has."""
    tables = graph.tables(schema.Graph.TENSORS)
    tensors = [read_tensor(table, number, buffers) for number, table in enumerate(tables)]
    if sum(t.bytes for t in tensors if not t.constant) > MOST_BYTES:
        raise Damaged(f"its activations take more than {MOST_BYTES >> 20} MiB")
    inputs = _indices(graph, schema.Graph.INPUTS, tensors)
    outputs = _indices(graph, schema.Graph.OUTPUTS, tensors)
    if not inputs or not outputs:
        raise Damaged("it has no input or no output")
    if any(tensors[i].constant for i in inputs):
        raise Damaged("an input is a constant")
    ready = {i for i, tensor in enumerate(tensors) if tensor.constant or tensor.variable}
    ready.update(inputs)
    for operator in graph.tables(schema.Graph.OPERATORS):
        name = names[operator.number(schema.Operator.CODE, "I")]
        used = _indices(operator, schema.Operator.INPUTS, tensors, optional=True)
        made = _indices(operator, schema.Operator.OUTPUTS, tensors)
        _indices(operator, schema.Operator.INTERMEDIATES, tensors, optional=True)
        _check_wiring(name, used, made, ready)
        known = [tensors[i] if i >= 0 else None for i in used]
        check_operator(operator, name, known, [tensors[i] for i in made])
    if not ready.issuperset(outputs):
        raise Damaged("an output is never computed")
    return len(tensors)


def _indices(
    table: Table, position: int, tensors: list[Tensor], optional: bool = False
) -> tuple[int, ...]:
    """Tensor numbers, all of them there; -1 stands for an input that is left out."""
    indices = table.numbers(position, "i")
    lowest = -1 if optional else 0
    if not all(lowest <= index < len(tensors) for index in indices):
        raise Damaged(f"it refers to a tensor that is not among its {len(tensors)}")
    return indices


def _check_wiring(name: str, used: tuple[int, ...], made: tuple[int, ...], ready: set[int]) -> None:
    """Every input computed before, every output written once and never a constant."""
    if not ready.issuperset(i for i in used if i >= 0):
        raise Damaged(f"{name} reads a tensor before it is computed")
    if not ready.isdisjoint(made) or len(set(made)) != len(made):
        raise Damaged(f"{name} writes a tensor that has its value already")
    ready.update(made)


def _check_annexes(model: Table, buffers: int, tensors: list[int]) -> None:
    """What the file says beside the graphs refers to what is there."""
    for entry in model.tables(schema.Model.METADATA):
        entry.string(0)
        if entry.number(1, "I") >= buffers:
            raise Damaged("its metadata lies in a buffer that is not there")
    for signature in model.tables(schema.Model.SIGNATURES):
        graph = signature.number(4, "I")
        if graph >= len(tensors):
            raise Damaged("a signature names a graph that is not there")
        signature.string(2)
        for entry in signature.tables(0) + signature.tables(1):
            entry.string(0)
            if entry.number(1, "I") >= tensors[graph]:
                raise Damaged("a signature names a tensor that is not there")
