"""A float and an int8 flatbuffer -> the int8 one with its weights rounded for the data.

Layer by layer, with all earlier layers done. Rounding each weight to its nearest step is not what
harms the layer's output least: an error in one weight can make up for that in another. Weights
are rounded one after the other, and what each loses is spread over those still to come, as the
covariance of the layer's inputs demands (Frantar et al. 2022, GPTQ, algorithm 1). Before that
they are fitted to the inputs that the layer really gets, which carry the errors of the layers
before it (Li et al. 2025, GPTAQ, asymmetric calibration; here by ridge regression, as pictures
are few). Covariances are centred: a shift of the mean is what the bias makes up for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converter.bias import group_size, matched, write_bias
from converter.layers import Array, Linear
from converter.measure import Feed
from converter.patches import Reals, answer, patches
from converter.progress import bar
from edge.runtime.litert import LiteRt

DAMPING = 0.01
"""Share of the mean variance that is added to every input's, as in GPTQ."""

RIDGE = 5.0
"""The same where weights are fitted: 3 to 10 served alike in a trial; with 1 and less, 33 pictures
are learned by heart."""

MOST_INPUTS = 2500
"""A layer with more weights per output is left as it is: its covariance costs their cube."""

Pair = tuple[Linear, Linear]
"""A layer of the float network and the same one of the int8 network."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Of what a layer's weights are multiplied with, for each group of its channels."""

    real: Array
    """(groups, inputs): the mean in the float network."""
    coarse: Array
    """(groups, inputs): the mean in the int8 network."""
    square: Array
    """(groups, inputs, inputs): the covariance in the int8 network."""
    cross: Array
    """(groups, inputs, inputs): that of the float network (rows) with the int8 network."""


def round_for(flatbuffer: bytes, int8: bytes, feed: Feed, progress: bool) -> bytes:
    """The int8 flatbuffer with weights that keep every layer's output closest to float's.

    Their biases make up for the mean of what is left. Layers in float or with too many inputs
    stay as they are. Returns it unchanged where the two networks' layers cannot be matched.
    """
    current, layers = matched(flatbuffer, int8)
    if not layers:
        return int8
    pairs = [pair for pair in layers if _roundable(pair[1])]
    size = group_size([layer for _, layer in layers], len(feed.pixels))
    for first in bar(range(0, len(pairs), size), "rounding weights", progress):
        group = pairs[first : first + size]
        seen = moments((flatbuffer, bytes(current)), group, feed)
        for (one, layer), now in zip(group, seen, strict=True):
            _mend(current, one, layer, now)
    return bytes(current)


def _roundable(layer: Linear) -> bool:
    return layer.weight_type == np.int8 and layer.matrix.shape[1] <= MOST_INPUTS


def moments(networks: tuple[bytes, bytes], pairs: Sequence[Pair], feed: Feed) -> list[Moments]:
    """What the layers of both networks get from the pictures.

    Behind the first layer, the int8 network is taken to give what the float one gives, as it
    nearly will when the layers before are mended.
    """
    two = [LiteRt("model", network, threads=2, keep_all=True) for network in networks]
    sums: list[list[Array]] = [[] for _ in pairs]
    for tensors in zip(*(feed.tensors(network) for network in two), strict=True):
        for network, tensor in zip(two, tensors, strict=True):
            network.infer(tensor)
        for row, (one, layer) in enumerate(pairs):
            real = _given(one, two[0])
            now = _sums(real, real if row else _given(layer, two[1]))
            before = sums[row] or [np.zeros(1)] * len(now)
            sums[row] = [total + part for total, part in zip(before, now, strict=True)]
    return [_centred(*total) for total in sums]


def _given(layer: Linear, network: LiteRt) -> Reals:
    """(groups, positions, inputs): what the layer got from the last picture."""
    return patches(layer, layer.input.dequantize(network.tensor(layer.input_index)))


def _sums(real: Reals, coarse: Reals) -> list[Array]:
    """Positions, and the sums over them that moments are made of."""
    return [
        np.array(float(real.shape[1])),
        real.sum(axis=1, dtype=np.float64),
        coarse.sum(axis=1, dtype=np.float64),
        np.asarray(coarse.transpose(0, 2, 1) @ coarse, np.float64),
        np.asarray(real.transpose(0, 2, 1) @ coarse, np.float64),
    ]


def _centred(count: Array, real: Array, coarse: Array, square: Array, cross: Array) -> Moments:
    one, other = real / count, coarse / count
    return Moments(
        one,
        other,
        square / count - other[:, :, None] * other[:, None, :],
        cross / count - one[:, :, None] * other[:, None, :],
    )


def _mend(current: bytearray, one: Linear, layer: Linear, seen: Moments) -> None:
    """Write the layer's weights and bias."""
    from ai_edge_litert import schema_py_generated as schema

    steps = rounded(one, layer, seen)
    buffer = schema.Model.GetRootAs(current).Buffers(layer.weight_buffer)
    buffer.DataAsNumpy().view(np.int8)[:] = layer.tensor(steps).astype(np.int8).ravel()
    shift = answer(one.matrix, seen.real) - answer(steps * layer.weight_scale[:, None], seen.coarse)
    write_bias(current, layer, one, shift)


def rounded(one: Linear, layer: Linear, seen: Moments) -> Array:
    """(out, inputs) weights in whole steps of `layer`."""
    steps = one.matrix / layer.weight_scale[:, None]
    by_group = steps.reshape(len(seen.square), -1, steps.shape[1])
    parts = zip(by_group, seen.square, seen.cross, strict=True)
    return np.stack([_gptq(_fitted(*part), part[1]) for part in parts]).reshape(steps.shape)


def _fitted(steps: Array, square: Array, cross: Array) -> Array:
    """The (outputs, inputs) real steps whose output on the int8 inputs is nearest to float's."""
    ridge = np.eye(len(square)) * RIDGE * np.trace(square) / len(square)
    if not ridge.any():
        return steps
    return np.asarray(np.linalg.solve(square + ridge, (steps @ (cross + ridge)).T).T)


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
