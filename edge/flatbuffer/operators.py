"""A graph's operators, checked: allowed, wired to what is there, with options and shapes
that an interpreter can compute with."""

from edge.flatbuffer import schema
from edge.flatbuffer.reader import Damaged, Table
from edge.flatbuffer.tensors import Tensor

CUSTOM = "custom operator "
Inputs = list[Tensor | None]


def operator_names(model: Table) -> list[str]:
    """What each operator code stands for; codes that no CNN needs as `operator 123`."""
    names = []
    for code in model.tables(schema.Model.OPERATOR_CODES):
        number: int = max(
            code.number(schema.Code.OLD_BUILTIN, "b"), code.number(schema.Code.BUILTIN, "i")
        )
        if number == schema.CUSTOM:
            names.append(f"{CUSTOM}{code.string(schema.Code.CUSTOM)}")
        else:
            names.append(
                schema.BUILTINS[number][0] if number in schema.BUILTINS else f"operator {number}"
            )
    return names


def check_operator(operator: Table, name: str, inputs: Inputs, outputs: list[Tensor]) -> None:
    """Raises Damaged where its options or its inputs would lead an interpreter astray."""
    _check_custom_options(operator, name)
    if name.startswith(CUSTOM):
        return
    fewest, most = schema.INPUTS[name]
    if not fewest <= len(inputs) <= most or not outputs:
        raise Damaged(f"{name} has {len(inputs)} inputs and {len(outputs)} outputs")
    _check_options(operator, name)
    match name:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            channels = 0 if name == "CONV_2D" else 3
            _check_weights(name, inputs, outputs, rank=4, channels=channels)
        case "FULLY_CONNECTED":
            _check_weights(name, inputs, outputs, rank=2, channels=0)
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D" | "L2_POOL_2D":
            _check_rank(name, inputs[0], 4)


def _check_custom_options(operator: Table, name: str) -> None:
    operator.bytes_at(schema.Operator.CUSTOM_OPTIONS)
    if operator.number(schema.Operator.CUSTOM_OFFSET, "Q") > 1:
        raise Damaged(f"{name} keeps its options outside the flatbuffer")


def _check_options(operator: Table, name: str) -> None:
    """LiteRT reads options of the wrong type, or none, as zeros: a stride of 0 divides by it."""
    needed = schema.OPTIONS.get(name)
    options = operator.table(schema.Operator.OPTIONS)
    if needed is None:
        return
    if options is None or operator.number(schema.Operator.OPTIONS_TYPE, "B") != needed.type:
        raise Damaged(f"{name} comes without its options")
    for position, default in needed.positive.items():
        if not 1 <= options.number(position, "i", default) <= 1 << 16:
            raise Damaged(f"{name} has a stride, dilation or filter size below 1")


def _check_weights(
    name: str, inputs: Inputs, outputs: list[Tensor], rank: int, channels: int
) -> None:
    """Weights of the right rank; as many biases, scales and outputs as they have channels."""
    weights = _check_rank(name, inputs[1], rank)
    if rank == 4:
        data = _check_rank(name, inputs[0], rank)
        _check_rank(name, outputs[0], rank)
        if 0 in data.shape + weights.shape:
            raise Damaged(f"{name} computes with nothing: {weights.where}")
    count = weights.shape[channels]
    bias = inputs[2] if len(inputs) > 2 else None
    if bias is not None and bias.shape != (count,):
        raise Damaged(f"{name} has {count} channels, {bias.where} has {list(bias.shape)}")
    if len(weights.scales) > 1 and weights.quantized_dimension != channels:
        raise Damaged(f"{name}: {weights.where} is quantised along the wrong dimension")
    if rank == 4 and outputs[0].shape[3] != count:
        raise Damaged(f"{name} has {count} channels, {outputs[0].where} another number")


def _check_rank(name: str, tensor: Tensor | None, rank: int) -> Tensor:
    if tensor is None:
        raise Damaged(f"{name} lacks an input")
    if len(tensor.shape) != rank:
        raise Damaged(f"{name}: {tensor.where} has {len(tensor.shape)} dimensions, not {rank}")
    return tensor
