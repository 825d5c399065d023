"""A float flatbuffer -> the same network in TensorFlow, to be trained. Child process only.

Rounded, it computes what its int8 twin computes: weights in whole steps, activations in 256 of
them. Rounding passes gradients through unchanged (straight-through estimator, Bengio et al. 2013).
"""

from typing import Any

import numpy as np

from converter.flatbuffer import constant, operator_names, unpack
from converter.layers import KINDS, Linear, dtype, linears, spec
from edge.errors import FatalError
from edge.types import TensorSpec

BIAS_UNIT = 10.0
"""Biases are learned in so many steps of the layer's output: they must follow every weight that
tips over to its next step."""

NEAR = 0.45
"""Steps from a whole one at which a weight begins that was not rounded to its nearest."""


class Replica:
    """`replica(images, rounded=True)`; what it learns lies in `weights` and `biases`.

    Weights are in steps of the int8 file, biases in BIAS_UNIT steps of the layer's output, so
    that one learning rate fits all layers. Raises FatalError naming an operator that it lacks.
    """

    def __init__(self, network: bytes, int8: bytes) -> None:
        import tensorflow as tf

        self._model, twin = unpack(network), unpack(int8)
        self._graph = self._model.subgraphs[0]
        self._names = operator_names(self._model)
        self._twins = linears(twin)
        real = linears(self._model)
        if [one.weights.shape for one in real] != [one.weights.shape for one in self._twins]:
            raise FatalError("its int8 file has other layers")
        self._coarse = {t.name: spec(t) for t in twin.subgraphs[0].tensors if t.quantization}
        self._constants = {
            index: data.view(dtype(tensor)).reshape(_shape(tensor))
            for index, tensor in enumerate(self._graph.tensors)
            if (data := constant(self._model, tensor)) is not None
        }
        self._scales = [_along(one) for one in self._twins]
        starts = zip(real, self._twins, self._scales, strict=True)
        self.weights = [tf.Variable(_start(*three), dtype=tf.float32) for three in starts]
        self._bias_steps = [self._output_step(op) for op in self._linear_operators()]
        self.biases = [tf.Variable(b, dtype=tf.float32) for b in self._bias_starts(real)]

    def __call__(self, images: Any, rounded: bool) -> Any:
        """(n, height, width, channels) real inputs -> (n, outputs); unrounded: as it was made."""
        import tensorflow as tf

        source = int(self._graph.inputs[0])
        shape = tuple(self._graph.tensors[source].shape)
        known: dict[int, Any] = {source: tf.reshape(images, (-1, *shape[1:]))}
        row = 0
        for op, kind in zip(self._graph.operators, self._names, strict=True):
            target = int(op.outputs[0])
            if kind in KINDS:
                weights, bias = self._parameters(row, op, rounded)
                values = _linear(kind, op.builtinOptions, known[int(op.inputs[0])], weights) + bias
                row += 1
            else:
                inputs = [known.get(int(i), self._constants.get(int(i))) for i in op.inputs]
                shape = tuple(self._graph.tensors[target].shape)
                values = _plain(kind, op.builtinOptions, inputs, shape)
            values = _activated(op.builtinOptions, values)
            known[target] = self._round(target, values) if rounded else values
        outputs = known[int(self._graph.outputs[0])]
        return tf.reshape(outputs, (-1, outputs.shape[-1]))

    def learned(self) -> list[tuple[Linear, Any, Any]]:
        """The int8 file's layers with their weights in whole steps and their real biases."""
        originals = [self._original_bias(op) for op in self._linear_operators()]
        parts = (self._twins, self.weights, self.biases, originals, self._bias_steps)
        return [
            (layer, np.rint(np.clip(w.numpy(), -127, 127)), original + b.numpy() * step)
            for layer, w, b, original, step in zip(*parts, strict=True)
        ]

    def _linear_operators(self) -> list[Any]:
        pairs = zip(self._graph.operators, self._names, strict=True)
        return [op for op, kind in pairs if kind in KINDS]

    def _original_bias(self, op: Any) -> Any:
        return self._constants[int(op.inputs[2])] if len(op.inputs) > 2 else np.float32(0)

    def _bias_starts(self, real: list[Linear]) -> list[Any]:
        parts = zip(real, self._twins, self._bias_steps, strict=True)
        return [
            np.zeros(1) if one.bias is None or twin.bias is None else (twin.bias - one.bias) / step
            for one, twin, step in parts
        ]

    def _output_step(self, op: Any) -> float:
        found = self._twin(int(op.outputs[0]))
        return BIAS_UNIT * (found.scale if found is not None and found.scale else 1.0)

    def _twin(self, index: int) -> TensorSpec | None:
        """The int8 file's tensor of the same name."""
        return self._coarse.get(self._graph.tensors[index].name)

    def _parameters(self, row: int, op: Any, rounded: bool) -> tuple[Any, Any]:
        import tensorflow as tf

        original = self._original_bias(op)
        if not rounded:
            return tf.constant(self._constants[int(op.inputs[1])]), original
        steps = tf.clip_by_value(self.weights[row], -127.0, 127.0)
        whole = steps + tf.stop_gradient(tf.round(steps) - steps)
        bias = original + self.biases[row] * self._bias_steps[row]
        return whole * tf.constant(self._scales[row], tf.float32), bias

    def _round(self, index: int, values: Any) -> Any:
        """In the twin's 256 steps; the network's output stays real, for its rounding has no
        gradient worth having."""
        import tensorflow as tf

        twin = self._twin(index)
        if twin is None or not twin.scale or index == int(self._graph.outputs[0]):
            return values
        low, high = ((end - twin.zero_point) * twin.scale for end in (-128, 127))
        inside = tf.clip_by_value(values, low, high)
        return inside + tf.stop_gradient(tf.round(inside / twin.scale) * twin.scale - inside)


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(tensor.shape)


def _along(layer: Linear) -> Any:
    """The weights' scale in a shape that multiplies them."""
    if layer.kind == "DEPTHWISE_CONV_2D":
        return layer.weight_scale.reshape(1, 1, 1, -1)
    return layer.weight_scale.reshape(-1, *[1] * (layer.weights.ndim - 1))


def _start(real: Linear, twin: Linear, scale: Any) -> Any:
    """The real weights in steps, where they round to what the int8 file holds."""
    whole = np.rint(twin.weights / scale)
    return np.clip(real.weights / scale, whole - NEAR, whole + NEAR)


def _linear(kind: str, options: Any, values: Any, weights: Any) -> Any:
    import tensorflow as tf

    if kind == "FULLY_CONNECTED":
        return tf.reshape(values, (-1, weights.shape[1])) @ tf.transpose(weights)
    strides = [1, options.strideH, options.strideW, 1]
    dilations = [options.dilationHFactor, options.dilationWFactor]
    padding = _padding(options)
    if kind == "CONV_2D":
        kernel = tf.transpose(weights, (1, 2, 3, 0))
        return tf.nn.conv2d(values, kernel, strides, padding, dilations=dilations)
    kernel = tf.reshape(weights, (*weights.shape[1:3], values.shape[3], -1))
    return tf.nn.depthwise_conv2d(values, kernel, strides, padding, dilations=dilations)


def _padding(options: Any) -> str:
    return "SAME" if options.padding == 0 else "VALID"


ELEMENTWISE = {"ADD": "add", "SUB": "subtract", "MUL": "multiply"}
ACTIVATIONS = {"RELU": "relu", "RELU6": "relu6", "LOGISTIC": "sigmoid"}
"""Operators by their names in tf and tf.nn."""


def _plain(kind: str, options: Any, inputs: list[Any], shape: tuple[int, ...]) -> Any:
    """An operator without weights. Raises FatalError where it is none of these."""
    import tensorflow as tf

    if kind in ELEMENTWISE:
        return getattr(tf, ELEMENTWISE[kind])(*inputs)
    if kind in ACTIVATIONS:
        return getattr(tf.nn, ACTIVATIONS[kind])(inputs[0])
    match kind:
        case "SOFTMAX":
            made = tf.nn.softmax(inputs[0] * options.beta)
        case "HARD_SWISH":
            made = inputs[0] * tf.nn.relu6(inputs[0] + 3.0) / 6.0
        case "CONCATENATION":
            made = tf.concat(inputs, options.axis)
        case "MEAN":
            made = tf.reduce_mean(inputs[0], tuple(np.ravel(inputs[1])), options.keepDims)
        case "PAD":
            made = tf.pad(*inputs)
        case "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS":
            made = tf.reshape(inputs[0], (-1, *shape[1:]))
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            pool = tf.nn.avg_pool2d if kind == "AVERAGE_POOL_2D" else tf.nn.max_pool2d
            size = (options.filterHeight, options.filterWidth)
            made = pool(inputs[0], size, (options.strideH, options.strideW), _padding(options))
        case _:
            raise FatalError(f"operator {kind} has no counterpart for training")
    return made


def _activated(options: Any, values: Any) -> Any:
    """The fused activation. Raises FatalError for one that no converter makes."""
    import tensorflow as tf

    match getattr(options, "fusedActivationFunction", 0):
        case 0:
            return values
        case 1:
            return tf.nn.relu(values)
        case 2:
            return tf.clip_by_value(values, -1.0, 1.0)
        case 3:
            return tf.nn.relu6(values)
    raise FatalError("a fused activation has no counterpart for training")
