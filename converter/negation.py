"""A float flatbuffer -> the same without NEG, which has no int8 kernel: a product with -1 has one.

Keras' layer normalisation subtracts the mean with it; left there, each takes a way out of int8
and back.
"""

from typing import Any

import numpy as np

from converter.flatbuffer import FLOAT32, operator_names, pack, unpack


def without_negation(flatbuffer: bytes) -> bytes:
    """Every NEG as a MUL by -1, exact in float; the same bytes where there is none."""
    model = unpack(flatbuffer)
    graph = model.subgraphs[0]
    pairs = zip(graph.operators, operator_names(model), strict=True)
    found = [op for op, kind in pairs if kind == "NEG" and _real(graph, op)]
    if not found:
        return flatbuffer
    code, factor = _product(model), _minus_one(model)
    for op in found:
        _become_product(op, code, factor)
    return pack(model)


def _real(graph: Any, op: Any) -> bool:
    return bool(graph.tensors[op.outputs[0]].type == FLOAT32)


def _product(model: Any) -> int:
    """The index of MUL among the operators' codes."""
    from ai_edge_litert import schema_py_generated as schema

    kind = schema.BuiltinOperator.MUL
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == kind:
            return index
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = kind
    made.version = 1
    model.operatorCodes.append(made)
    return len(model.operatorCodes) - 1


def _minus_one(model: Any) -> int:
    """The index of a new constant tensor."""
    from ai_edge_litert import schema_py_generated as schema

    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.array([-1], np.float32).view(np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.type, tensor.shape = b"minus_one", FLOAT32, np.array([1], np.int32)
    tensor.buffer = len(model.buffers) - 1
    tensor.hasRank = True
    model.subgraphs[0].tensors.append(tensor)
    return len(model.subgraphs[0].tensors) - 1


def _become_product(op: Any, code: int, factor: int) -> None:
    from ai_edge_litert import schema_py_generated as schema

    op.opcodeIndex = code
    op.inputs = np.array([op.inputs[0], factor], np.int32)
    op.builtinOptionsType = schema.BuiltinOptions.MulOptions
    op.builtinOptions = schema.MulOptionsT()
