"""A float and an int8 flatbuffer -> the int8 one with its weights rounded for the data.

Rounding each weight to its nearest step is not what harms the layer's output least: an error in
one weight can make up for that in another. Weights are rounded one after the other, and what
each loses is spread over those still to come, as the covariance of the layer's inputs demands
(Frantar et al. 2022, GPTQ, algorithm 1). The covariance is centred: a shift of the mean is what
bias correction mends.
"""

import numpy as np
import numpy.typing as npt

from converter.bias import padded
from converter.flatbuffer import unpack
from converter.layers import Array, Linear, linears
from converter.measure import Feed
from converter.progress import bar
from edge.runtime.litert import LiteRt

DAMPING = 0.01
"""Share of the mean variance that is added to every input's, as in GPTQ."""

MOST_INPUTS = 2500
"""A layer with more weights per output is left as it is: its covariance costs their cube."""


def round_for(flatbuffer: bytes, int8: bytes, feed: Feed, progress: bool) -> bytes:
    """The int8 flatbuffer with weights that keep every layer's output closest to float's.

    Returns it unchanged where the two networks' layers cannot be matched.
    """
    original, layers = linears(unpack(flatbuffer)), linears(unpack(int8))
    if [one.weights.shape for one in original] != [one.weights.shape for one in layers]:
        return int8
    rows = [row for row, one in enumerate(original) if _inputs(one) <= MOST_INPUTS]
    spreads = covariances(flatbuffer, [original[row] for row in rows], feed, progress)
    current = bytearray(int8)
    for row, spread in zip(bar(rows, "rounding weights", progress), spreads, strict=True):
        _write(current, layers[row], rounded(original[row], layers[row], spread))
    return bytes(current)


def _inputs(layer: Linear) -> int:
    """Weights per output."""
    if layer.kind == "DEPTHWISE_CONV_2D":
        return int(np.prod(layer.weights.shape[1:3]))
    return int(np.prod(layer.weights.shape[1:]))


def covariances(flatbuffer: bytes, layers: list[Linear], feed: Feed, progress: bool) -> list[Array]:
    """Per layer (groups, inputs, inputs): how the inputs of one output vary together."""
    network = LiteRt("float model", flatbuffer, threads=2, keep_all=True)
    squares: list[Array] = []
    sums: list[Array] = []
    counts = np.zeros(len(layers))
    steps = bar(range(len(feed.pixels)), "input covariances", progress)
    for step, tensor in zip(steps, feed.tensors(network), strict=True):
        network.infer(tensor)
        for row, layer in enumerate(layers):
            values = patches(layer, np.asarray(network.tensor(layer.input_index), np.float32))
            square = np.asarray(values.transpose(0, 2, 1) @ values, np.float64)
            total = values.sum(axis=1, dtype=np.float64)
            if step == 0:
                squares.append(square)
                sums.append(total)
            else:
                squares[row] += square
                sums[row] += total
            counts[row] += values.shape[1]
    return [
        square / count - (total / count)[:, :, None] * (total / count)[:, None, :]
        for square, total, count in zip(squares, sums, counts, strict=True)
    ]


def patches(layer: Linear, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(groups, positions, inputs): what each output's weights are multiplied with."""
    if layer.kind == "FULLY_CONNECTED":
        return values.reshape(1, -1, layer.weights.shape[1])
    height, width = layer.weights.shape[1:3]
    space, positions = padded(layer, values[0], (height, width))
    windows = [
        space[
            row * layer.dilation[0] :: layer.stride[0],
            column * layer.dilation[1] :: layer.stride[1],
        ][: positions[0], : positions[1]]
        for row in range(height)
        for column in range(width)
    ]
    stacked = np.stack(windows, axis=2).reshape(-1, height * width, values.shape[3])
    if layer.kind == "DEPTHWISE_CONV_2D":
        by_channel = stacked.transpose(2, 0, 1)
        return np.repeat(by_channel, layer.weights.shape[3] // values.shape[3], axis=0)
    depth = layer.weights.shape[3]
    groups = values.shape[3] // depth
    split = stacked.reshape(len(stacked), height * width, groups, depth)
    return np.ascontiguousarray(split.transpose(2, 0, 1, 3)).reshape(groups, len(stacked), -1)


def rounded(one: Linear, layer: Linear, spread: Array) -> npt.NDArray[np.int8]:
    """Weights in steps of `layer`, in the shape of its tensor."""
    depthwise = layer.kind == "DEPTHWISE_CONV_2D"
    weights = one.weights
    flat = weights[0].reshape(-1, weights.shape[3]).T if depthwise else _rows(weights)
    steps = flat / layer.weight_scale[:, None]
    groups = spread.shape[0]
    result = np.empty_like(steps)
    members = np.arange(len(steps)).reshape(groups, -1)
    for group in range(groups):
        result[members[group]] = _gptq(steps[members[group]], spread[group])
    if depthwise:
        return result.T.reshape(weights.shape).astype(np.int8)
    return result.reshape(weights.shape).astype(np.int8)


def _rows(weights: Array) -> Array:
    return weights.reshape(len(weights), -1)


def _gptq(steps: Array, spread: Array) -> Array:
    """(outputs, inputs) real steps -> whole steps -127..127."""
    size = len(spread)
    mean = float(np.trace(spread)) / size
    if mean <= 0:
        return np.clip(np.rint(steps), -127, 127)
    damped = spread + np.eye(size) * DAMPING * mean
    order = np.argsort(-np.diag(damped))
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    left = steps[:, order].copy()
    done = np.empty_like(left)
    for column in range(size):
        done[:, column] = np.clip(np.rint(left[:, column]), -127, 127)
        error = (left[:, column] - done[:, column]) / upper[column, column]
        left[:, column + 1 :] -= error[:, None] * upper[column, column + 1 :]
    result = np.empty_like(done)
    result[:, order] = done
    return result


def _write(current: bytearray, layer: Linear, weights: npt.NDArray[np.int8]) -> None:
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.Model.GetRootAs(current).Buffers(layer.weight_buffer)
    buffer.DataAsNumpy().view(np.int8)[:] = weights.ravel()
