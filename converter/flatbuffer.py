"""TFLite flatbuffers <-> their object tree. Uses LiteRT's generated schema, no interpreter."""

from typing import Any

import numpy as np
import numpy.typing as npt

Ranges = dict[int, tuple[float, float]]
"""Tensor index -> smallest and largest real value that it took."""

FLOAT32 = 0
"""schema.TensorType.FLOAT32."""


def unpack(flatbuffer: bytes) -> Any:
    """The bytes -> schema's ModelT."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer))


def pack(model: Any) -> bytes:
    """Schema's ModelT -> the bytes of a .tflite file."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator_names(model: Any) -> list[str]:
    """The operators of the main graph in order, for example CONV_2D."""
    from ai_edge_litert import schema_py_generated as schema

    names = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if not name.startswith("_")
    }
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    return [names.get(codes[op.opcodeIndex], "CUSTOM") for op in model.subgraphs[0].operators]


def float_operators(flatbuffer: bytes) -> list[dict[str, str]]:
    """Operators that compute in float, with the layer that they are for."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(flatbuffer)
    tensors = model.subgraphs[0].tensors
    found = []
    for op, kind in zip(model.subgraphs[0].operators, operator_names(model), strict=True):
        types = {tensors[index].type for index in op.outputs}
        if schema.TensorType.FLOAT32 in types and kind != "DEQUANTIZE":
            found.append({"operator": kind, "layer": tensors[op.outputs[0]].name.decode()})
    return found


def constant(model: Any, tensor: Any) -> npt.NDArray[np.uint8] | None:
    """A constant tensor's raw bytes; None for an activation."""
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    return np.asarray(data, np.uint8)


def activations(model: Any) -> list[int]:
    """Indices of the main graph's float tensors that are computed, the input included."""
    from ai_edge_litert import schema_py_generated as schema

    return [
        index
        for index, tensor in enumerate(model.subgraphs[0].tensors)
        if tensor.type == schema.TensorType.FLOAT32 and constant(model, tensor) is None
    ]


def with_ranges(flatbuffer: bytes, ranges: Ranges) -> bytes:
    """A float flatbuffer -> the same with min and max at its activations."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(flatbuffer)
    for index, (low, high) in ranges.items():
        quantization = schema.QuantizationParametersT()
        quantization.min = [low]
        quantization.max = [high]
        model.subgraphs[0].tensors[index].quantization = quantization
    return pack(model)
