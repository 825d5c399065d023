"""A float flatbuffer -> the same network in TensorFlow, to be trained. Child process only.

Rounded, it computes what its int8 twin computes: weights in whole steps, activations in 256 of
them. Rounding passes gradients through unchanged (straight-through estimator, Bengio et al. 2013).
"""

from operator import attrgetter
from typing import Any

import numpy as np

from converter.flatbuffer import constant, operator_names, unpack
from converter.layers import KINDS, Linear, dtype, linears, spec
from edge.errors import FatalError
from edge.types import TensorSpec

NEAR = 0.45
"""Steps from a whole one at which a weight begins that was not rounded to its nearest."""


class Replica:
    """The network; what it learns lies in `weights`, in steps of the int8 file.

    Raises FatalError naming an operator that it lacks.
    """

    def __init__(self, network: bytes, int8: bytes) -> None:
        import tensorflow as tf

        self._model, twin = unpack(network), unpack(int8)
        self._graph = self._model.subgraphs[0]
        self._names = operator_names(self._model)
        self._real, self._twins = linears(self._model), linears(twin)
        if [one.weights.shape for one in self._real] != [one.weights.shape for one in self._twins]:
            raise FatalError("its int8 file has other layers")
        self._coarse = {t.name: spec(t) for t in twin.subgraphs[0].tensors if t.quantization}
        self._constants = {
            index: data.view(dtype(tensor)).reshape(_shape(tensor))
            for index, tensor in enumerate(self._graph.tensors)
            if (data := constant(self._model, tensor)) is not None
        }
        self._scales = [_along(one) for one in self._twins]
        starts = zip(self._real, self._twins, self._scales, strict=True)
        self.weights = [tf.Variable(_start(*three), dtype=tf.float32) for three in starts]

    def float(self, images: Any) -> tuple[Any, list[Any]]:
        """(n, height, width, channels) real inputs -> (n, outputs) as the network was made, and
        the mean of every layer's outputs per channel, before activation."""
        return self._run(images, None, rounded=False)

    def int8(self, images: Any, centers: list[Any] | None = None) -> Any:
        """The same inputs -> (n, outputs), rounded.

        With `centers`, every layer's mean is moved there, as bias correction will do: a weight
        that tips over to its next step would else shift all that comes behind it.
        """
        return self._run(images, centers, rounded=True)[0]

    def learned(self) -> list[tuple[Linear, Any]]:
        """The int8 file's layers with their weights in whole steps."""
        pairs = zip(self._twins, self.weights, strict=True)
        return [(layer, np.rint(np.clip(w.numpy(), -127, 127))) for layer, w in pairs]

    def _run(self, images: Any, centers: list[Any] | None, rounded: bool) -> tuple[Any, list[Any]]:
        import tensorflow as tf

        source, means = int(self._graph.inputs[0]), list[Any]()
        shape = tuple(self._graph.tensors[source].shape)
        known: dict[int, Any] = {source: tf.reshape(images, (-1, *shape[1:]))}
        for op, kind in zip(self._graph.operators, self._names, strict=True):
            target = int(op.outputs[0])
            if kind in KINDS:
                values = self._linear(len(means), op, known[int(op.inputs[0])], rounded)
                means.append(tf.reduce_mean(values, tuple(range(len(values.shape) - 1))))
                if centers is not None:
                    values += centers[len(means) - 1] - means[-1]
            else:
                inputs = [known.get(int(i), self._constants.get(int(i))) for i in op.inputs]
                shape = tuple(self._graph.tensors[target].shape)
                values = _plain(kind, op.builtinOptions, inputs, shape)
            values = _activated(op.builtinOptions, values)
            known[target] = self._round(target, values) if rounded else values
        outputs = known[int(self._graph.outputs[0])]
        return tf.reshape(outputs, (-1, outputs.shape[-1])), means

    def _linear(self, row: int, op: Any, values: Any, rounded: bool) -> Any:
        """A layer with weights, before its activation."""
        import tensorflow as tf

        layer = self._twins[row] if rounded else self._real[row]
        weights = tf.constant(self._constants[int(op.inputs[1])])
        if rounded:
            steps = tf.clip_by_value(self.weights[row], -127.0, 127.0)
            whole = steps + tf.stop_gradient(tf.round(steps) - steps)
            weights = whole * tf.constant(self._scales[row], tf.float32)
        made = _weighted(layer.kind, op.builtinOptions, values, weights)
        made = tf.reshape(made, (-1, *_shape(self._graph.tensors[op.outputs[0]])[1:]))
        return made if layer.bias is None else made + tf.constant(layer.bias, tf.float32)

    def _twin(self, index: int) -> TensorSpec | None:
        """The int8 file's tensor of the same name."""
        return self._coarse.get(self._graph.tensors[index].name)

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


def _weighted(kind: str, options: Any, values: Any, weights: Any) -> Any:
    import tensorflow as tf

    if kind == "FULLY_CONNECTED":
        return tf.reshape(values, (-1, weights.shape[1])) @ tf.transpose(weights)
    strides = [1, options.strideH, options.strideW, 1]
    dilations = [options.dilationHFactor, options.dilationWFactor]
    padding = _padding(options)
    if kind == "CONV_2D":
        if weights.shape[1:3] == (1, 1):
            # The same, and oneDNN's gradient at stride 2 writes where it must not (TF 2.21).
            values = values[:, :: options.strideH, :: options.strideW]
            strides = [1, 1, 1, 1]
        kernel = tf.transpose(weights, (1, 2, 3, 0))
        return tf.nn.conv2d(values, kernel, strides, padding, dilations=dilations)
    kernel = tf.reshape(weights, (*weights.shape[1:3], values.shape[3], -1))
    return tf.nn.depthwise_conv2d(values, kernel, strides, padding, dilations=dilations)


def _padding(options: Any) -> str:
    return "SAME" if options.padding == 0 else "VALID"


SIMPLE = {
    "ADD": "math.add",
    "SUB": "math.subtract",
    "MUL": "math.multiply",
    "SQUARED_DIFFERENCE": "math.squared_difference",
    "RSQRT": "math.rsqrt",
    "RELU": "nn.relu",
    "RELU6": "nn.relu6",
    "LOGISTIC": "nn.sigmoid",
}
"""Operators without options by their names in tf."""


def _plain(kind: str, options: Any, inputs: list[Any], shape: tuple[int, ...]) -> Any:
    """An operator without weights. Raises FatalError where it is none of these."""
    import tensorflow as tf

    if kind in SIMPLE:
        return attrgetter(SIMPLE[kind])(tf)(*inputs)
    match kind:
        case "SOFTMAX":
            made = tf.nn.softmax(inputs[0] * options.beta)
        case "GELU":
            made = tf.nn.gelu(inputs[0], options.approximate)
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
