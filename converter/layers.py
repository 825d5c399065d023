"""The convolutions and dense layers of a flatbuffer, as real numbers, float or int8 alike."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.flatbuffer import constant, operator_names
from edge.types import TensorSpec

Array = npt.NDArray[np.float64]

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True, slots=True)
class Linear:
    """One convolution or dense layer of a flatbuffer."""

    kind: str
    name: str
    """Its output tensor's name, which TensorFlow takes from the layer."""
    input: TensorSpec
    input_index: int
    weights: Array
    """Real values: (out, height, width, in), (1, height, width, out) or (out, in)."""
    weight_scale: Array
    """(out,) real value of one step of the weights; ones in a float model."""
    weight_type: np.dtype[Any]
    weight_buffer: int
    bias: Array | None
    """Real values, (out,)."""
    bias_buffer: int
    bias_scale: Array
    """(out,) real value of one step of the bias; ones in a float model."""
    bias_type: np.dtype[Any]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    same: bool
    """Padding SAME rather than VALID."""

    @property
    def matrix(self) -> Array:
        """(out, inputs): the weights of each output, a depthwise layer's of its own channel."""
        if self.kind == "DEPTHWISE_CONV_2D":
            return self.weights.reshape(-1, self.weights.shape[3]).T
        return self.weights.reshape(len(self.weights), -1)

    def tensor(self, matrix: Array) -> Array:
        """The same (out, inputs) numbers in the shape of the weights."""
        if self.kind == "DEPTHWISE_CONV_2D":
            return matrix.T.reshape(self.weights.shape)
        return matrix.reshape(self.weights.shape)

    @property
    def multiplications(self) -> float:
        """For one picture."""
        places = np.prod(self.input.shape[1:3]) / np.prod(self.stride)
        return float(self.weights.size * (1 if self.kind == "FULLY_CONNECTED" else places))


def linears(model: Any) -> list[Linear]:
    """The layers with weights, in order of execution."""
    graph = model.subgraphs[0]
    pairs = zip(graph.operators, operator_names(model), strict=True)
    found = (_linear(model, op, kind) for op, kind in pairs if kind in KINDS)
    return [layer for layer in found if layer is not None]


def _linear(model: Any, op: Any, kind: str) -> Linear | None:
    """None where the weights are computed rather than constant."""
    tensors = model.subgraphs[0].tensors
    source, target = tensors[op.inputs[0]], tensors[op.outputs[0]]
    weights, weight_scale = _real(model, tensors[op.inputs[1]])
    if weights is None:
        return None
    has_bias = len(op.inputs) > 2 and op.inputs[2] >= 0
    bias, scale = _real(model, tensors[op.inputs[2]]) if has_bias else (None, np.ones(1))
    options = op.builtinOptions
    conv = kind != "FULLY_CONNECTED"
    return Linear(
        kind,
        target.name.decode(),
        spec(source),
        int(op.inputs[0]),
        weights,
        weight_scale * np.ones(_outputs(kind, weights)),
        dtype(tensors[op.inputs[1]]),
        tensors[op.inputs[1]].buffer,
        bias,
        tensors[op.inputs[2]].buffer if has_bias else -1,
        scale,
        dtype(tensors[op.inputs[2]]) if has_bias else np.dtype(np.float32),
        (options.strideH, options.strideW) if conv else (1, 1),
        (options.dilationHFactor, options.dilationWFactor) if conv else (1, 1),
        conv and options.padding == 0,
    )


def _outputs(kind: str, weights: Array) -> int:
    return int(weights.shape[3] if kind == "DEPTHWISE_CONV_2D" else weights.shape[0])


def spec(tensor: Any) -> TensorSpec:
    """A tensor's name, shape, dtype and (per-tensor) quantisation."""
    quantization = tensor.quantization
    quantized = quantization is not None and quantization.scale is not None
    quantized = quantized and len(quantization.scale) > 0
    scale = float(quantization.scale[0]) if quantized else 0.0
    zero_point = int(quantization.zeroPoint[0]) if quantized else 0
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    return TensorSpec(tensor.name.decode(), shape, dtype(tensor), scale, zero_point)


def dtype(tensor: Any) -> np.dtype[Any]:
    """The NumPy type of a tensor's numbers; bytes for types that NumPy lacks."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT8: np.int8,
        schema.TensorType.UINT8: np.uint8,
        schema.TensorType.INT16: np.int16,
        schema.TensorType.INT32: np.int32,
        schema.TensorType.INT64: np.int64,
        schema.TensorType.BOOL: np.bool_,
    }
    return np.dtype(kinds.get(tensor.type, np.uint8))


def _real(model: Any, tensor: Any) -> tuple[Array | None, Array]:
    """A constant's real values and its scale per output channel; None for an activation."""
    data = constant(model, tensor)
    quantization = tensor.quantization
    scale = np.ones(1)
    if quantization is not None and quantization.scale is not None and len(quantization.scale):
        scale = np.asarray(quantization.scale, np.float64)
    if data is None:
        return None, scale
    values = data.view(dtype(tensor)).reshape(tuple(tensor.shape)).astype(np.float64)
    along = [1] * values.ndim
    if len(scale) > 1:
        along[quantization.quantizedDimension] = len(scale)
    return values * scale.reshape(along), scale
