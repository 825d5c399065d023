"""A real classifier, changed as foreign models differ: its ends cut, doubled, sorted, broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from converter.flatbuffer import pack, unpack
from tests.conftest import TESTDATA

FLOAT = TESTDATA / "models/mlperf-tiny/vww_mobilenet_96/vww_96_float.tflite"
INT8 = FLOAT.with_name("vww_96_int8.tflite")
TOML = """
name = "vww"
labels = [{labels}]
input = {{ width = 96, height = 96 }}
{more}
"""
TOPK, ARG_MAX, SOFTMAX = 48, 56, 25
Change = Callable[[Any], None]


def changed(path: Path, *changes: Change) -> bytes:
    tree = unpack(path.read_bytes())
    for change in changes:
        change(tree)
    return pack(tree)


def described(folder: Path, content: bytes, more: str = "", labels: int = 2) -> Path:
    """The model with a model.toml beside it."""
    names = ", ".join(f'"label_{number}"' for number in range(labels))
    (folder / "model.toml").write_text(TOML.format(labels=names, more=more))
    (folder / "foreign.tflite").write_bytes(content)
    return folder / "foreign.tflite"


def logits(tree: Any) -> None:
    """Without the softmax at its end."""
    graph = tree.subgraphs[0]
    graph.outputs = [int(_last(tree).inputs[0])]
    graph.operators.pop()


def both(tree: Any) -> None:
    """Logits and probabilities."""
    graph = tree.subgraphs[0]
    graph.outputs = [int(_last(tree).inputs[0]), int(graph.outputs[0])]


def pooled(tree: Any) -> None:
    """The features before the last layer, and the probabilities."""
    graph = tree.subgraphs[0]
    graph.outputs = [int(graph.operators[-2].inputs[0]), int(graph.outputs[0])]


def broken(tree: Any) -> None:
    """A weight is NaN."""
    graph = tree.subgraphs[0]
    bias = tree.buffers[graph.tensors[graph.operators[-2].inputs[2]].buffer]
    bias.data = np.full(len(bias.data) // 4, np.nan, np.float32).view(np.uint8)


def top_k(tree: Any) -> None:
    """The best two, sorted, and their numbers."""
    from ai_edge_litert import schema_py_generated as schema

    k = _tensor(tree, b"k", [], schema.TensorType.INT32)
    tree.buffers.append(schema.BufferT())
    tree.buffers[-1].data = np.array([2], np.int32).view(np.uint8)
    tree.subgraphs[0].tensors[k].buffer = len(tree.buffers) - 1
    values = _tensor(tree, b"values", [1, 2], schema.TensorType.FLOAT32)
    indices = _tensor(tree, b"indices", [1, 2], schema.TensorType.INT32)
    _append(tree, TOPK, [int(tree.subgraphs[0].outputs[0]), k], [values, indices])


def _append(tree: Any, code: int, inputs: list[int], outputs: list[int]) -> None:
    from ai_edge_litert import schema_py_generated as schema

    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = code
    entry.version = 1
    tree.operatorCodes.append(entry)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(tree.operatorCodes) - 1
    operator.inputs, operator.outputs = inputs, outputs
    tree.subgraphs[0].operators.append(operator)
    tree.subgraphs[0].outputs = outputs


def _tensor(tree: Any, name: bytes, shape: list[int], kind: int) -> int:
    from ai_edge_litert import schema_py_generated as schema

    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, 0
    tree.subgraphs[0].tensors.append(tensor)
    return len(tree.subgraphs[0].tensors) - 1


def _last(tree: Any) -> Any:
    operator = tree.subgraphs[0].operators[-1]
    assert tree.operatorCodes[operator.opcodeIndex].builtinCode == SOFTMAX
    return operator
