"""A layer and its input -> what each output's weights are multiplied with. Pure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.layers import Array, Linear

Reals = npt.NDArray[np.float32]


def patches(layer: Linear, values: Reals) -> Reals:
    """(groups, positions, inputs): an input of one picture, position by position."""
    if layer.kind == "FULLY_CONNECTED":
        return values.reshape(1, -1, layer.weights.shape[1])
    stacked = np.stack(list(_windows(layer, values)), axis=2)
    return _grouped(layer, stacked.reshape(-1, stacked.shape[2], values.shape[3]))


def mean_patch(layer: Linear, values: Reals) -> Array:
    """(height, width, in) of a convolution's window, or (in,): the mean over all positions."""
    if layer.kind == "FULLY_CONNECTED":
        rows = values.reshape(-1, layer.weights.shape[1])
        return np.asarray(rows.mean(axis=0, dtype=np.float64))
    means = [one.mean(axis=(0, 1), dtype=np.float64) for one in _windows(layer, values)]
    return np.stack(means).reshape(*layer.weights.shape[1:3], -1)


def response(layer: Linear, patch: Array) -> Array:
    """(out,): what the layer answers to a mean input patch, without its bias."""
    if layer.kind == "FULLY_CONNECTED":
        return answer(layer.matrix, patch[None])
    return answer(layer.matrix, _grouped(layer, patch.reshape(1, -1, patch.shape[2]))[:, 0])


def answer(matrix: Array, inputs: Array) -> Array:
    """(out,): an (out, inputs) matrix times each group's (groups, inputs)."""
    by_group = matrix.reshape(len(inputs), -1, matrix.shape[1])
    return np.asarray(np.einsum("goi,gi->go", by_group, inputs)).ravel()


def _windows(layer: Linear, values: Reals) -> Iterator[Reals]:
    """For each place of the kernel, row by row: the (rows, columns, in) that it is laid on."""
    height, width = layer.weights.shape[1:3]
    space, positions = _padded(layer, values[0], (height, width))
    for row in range(height):
        for column in range(width):
            yield space[
                row * layer.dilation[0] :: layer.stride[0],
                column * layer.dilation[1] :: layer.stride[1],
            ][: positions[0], : positions[1]]


def _padded(layer: Linear, values: Reals, size: tuple[int, ...]) -> tuple[Reals, list[int]]:
    """(height, width, channels) with TensorFlow's zeros around it, and its positions per axis."""
    before_after, positions = [], []
    for axis in (0, 1):
        reach = (size[axis] - 1) * layer.dilation[axis] + 1
        length, stride = values.shape[axis], layer.stride[axis]
        count = -(-length // stride) if layer.same else (length - reach) // stride + 1
        missing = max(0, (count - 1) * stride + reach - length) if layer.same else 0
        before_after.append((missing // 2, missing - missing // 2))
        positions.append(count)
    return np.pad(values, [*before_after, (0, 0)]), positions


def _grouped(layer: Linear, stacked: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A convolution's (positions, places, in) -> (groups, positions, inputs)."""
    count, places, channels = stacked.shape
    if layer.kind == "DEPTHWISE_CONV_2D":
        return np.repeat(stacked.transpose(2, 0, 1), layer.weights.shape[3] // channels, axis=0)
    depth = layer.weights.shape[3]
    split = stacked.reshape(count, places, channels // depth, depth)
    return split.transpose(2, 0, 1, 3).reshape(channels // depth, count, -1)
