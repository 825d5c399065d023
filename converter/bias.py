"""A float and an int8 flatbuffer of one network -> the int8 one with its biases corrected.

Rounding weights shifts the mean of a layer's outputs (Nagel et al. 2019, Data-Free Quantization
Through Weight Equalization and Bias Correction, section 4.2; here measured on pictures, layer
by layer, with all earlier layers already corrected). A convolution is linear, so its mean output
follows from its mean input patch alone, whatever activation is fused behind it:

    b = b_float + W_float * patch_float - W_int8 * patch_int8
"""

import copy
import math
from typing import Any

import numpy as np

from converter.flatbuffer import constant, pack, unpack
from converter.layers import Array, Linear, linears
from converter.measure import Feed
from converter.patches import mean_patch, response
from converter.progress import bar
from edge.runtime.litert import LiteRt

BUDGET = 2e12
"""Multiplications that correcting may cost: about a minute. Not seconds: a busy machine must give
the same file. Larger networks are corrected several layers at a time."""


def correct(
    flatbuffer: bytes, int8: bytes, feed: Feed, progress: bool, budget: float = BUDGET
) -> bytes:
    """The int8 flatbuffer with the mean error of every layer removed.

    Returns it unchanged where the two networks' layers cannot be matched.
    """
    current, pairs = matched(flatbuffer, int8)
    if not pairs:
        return int8
    wanted = _patches(flatbuffer, [one for one, _ in pairs], feed)
    size = group_size([layer for _, layer in pairs], len(feed.pixels), budget)
    for row in bar(range(len(pairs)), "correcting biases", progress):
        one, layer, patch = *pairs[row], wanted[row]
        if row % size == 0:
            # Within a group the input's mean is taken to be float's, as it will be when the
            # layers before are corrected; measured before that, their error would count twice.
            patch = _patches(bytes(current), [layer], feed)[0]
        write_bias(current, layer, one, response(one, wanted[row]) - response(layer, patch))
    return bytes(current)


def matched(flatbuffer: bytes, int8: bytes) -> tuple[bytearray, list[tuple[Linear, Linear]]]:
    """The int8 flatbuffer, where every bias can be written by itself, and both networks' layers.

    No layers where they are not the same in both.
    """
    original = linears(unpack(flatbuffer))
    current = bytearray(pack(_own_biases(unpack(int8))))
    layers = linears(unpack(bytes(current)))
    if [(one.kind, one.weights.shape) for one in original] != [
        (one.kind, one.weights.shape) for one in layers
    ]:
        return current, []
    return current, list(zip(original, layers, strict=True))


def group_size(layers: list[Linear], pictures: int, budget: float = BUDGET) -> int:
    """How many layers share one run over the pictures: 1 in all but large networks."""
    work = sum(layer.multiplications for layer in layers) * pictures
    return max(1, math.ceil(len(layers) * work / budget))


def write_bias(current: bytearray, layer: Linear, one: Linear, shift: Array) -> None:
    """Put `bias of the float layer + shift` into the other layer's bias, in place."""
    from ai_edge_litert import schema_py_generated as schema

    if layer.bias is None:
        return
    real = shift if one.bias is None else one.bias + shift
    steps = real / layer.bias_scale
    if layer.bias_type == np.int32:
        limits = np.iinfo(np.int32)
        steps = np.clip(np.rint(steps), limits.min, limits.max)
    buffer = schema.Model.GetRootAs(current).Buffers(layer.bias_buffer)
    buffer.DataAsNumpy().view(layer.bias_type)[:] = steps.astype(layer.bias_type)


def _patches(flatbuffer: bytes, layers: list[Linear], feed: Feed) -> list[Array]:
    """The mean input patch of every layer over the pictures."""
    network = LiteRt("model", flatbuffer, threads=2, keep_all=True)
    sums: list[Array] = []
    for tensor in feed.tensors(network):
        network.infer(tensor)
        patches = [
            mean_patch(layer, layer.input.dequantize(network.tensor(layer.input_index)))
            for layer in layers
        ]
        if not sums:
            sums = patches
        else:
            sums = [total + one for total, one in zip(sums, patches, strict=True)]
    return [total / len(feed.pixels) for total in sums]


def _own_biases(model: Any) -> Any:
    """Every layer's bias gets a buffer of its own: equal biases may share one in the file."""
    from ai_edge_litert import schema_py_generated as schema

    seen: set[int] = set()
    types = schema.TensorType.INT32, schema.TensorType.FLOAT32
    for tensor in model.subgraphs[0].tensors:
        may_be = tensor.type in types and constant(model, tensor) is not None
        if may_be and tensor.buffer in seen:
            model.buffers.append(copy.copy(model.buffers[tensor.buffer]))
            tensor.buffer = len(model.buffers) - 1
        seen.add(tensor.buffer)
    return model
