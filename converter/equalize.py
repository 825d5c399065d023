"""A float flatbuffer -> an equivalent one whose channels use their tensor's range evenly.

A channel that only reaches a tenth of its tensor's range has a tenth of its 256 steps. Scaling
it up where it is made and down where it is used changes nothing in float and wins the steps
back (cross-layer equalisation, Nagel et al. 2019, section 4.1; here by the activations seen on
pictures, since the weights have scales per channel anyway). Behind ReLU6 a channel may grow
until its largest value comes near 6.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.flatbuffer import constant, operator_names, pack, unpack
from converter.layers import Array
from converter.measure import Feed
from converter.progress import bar
from edge.runtime.litert import LiteRt

WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D"}
TO_DEPTHWISE = 1.0
TO_FULL = 0.5
"""Exponents of the scaling. A depthwise layer has a weight scale for each input channel, so that
nothing is lost; in a full convolution small input channels lose steps of their weights."""
LARGEST = 64.0
HEADROOM = 2.0
"""A channel that grows stays so far below the end of its tensor's range. Else all channels would
end there, and all be cut off where a picture goes beyond those that calibrate."""


@dataclass(frozen=True, slots=True)
class Seam:
    """A tensor that one layer makes and only one other layer uses."""

    maker: Any
    user: Any
    user_kind: str
    tensor: int
    ceiling: float
    """The activation's largest value: 6 behind ReLU6, else infinite."""


def equalized(flatbuffer: bytes, feed: Feed, progress: bool) -> bytes:
    """The equalised network, or the same bytes where it has no such seam."""
    model = unpack(flatbuffer)
    found = _seams(model)
    if not found:
        return flatbuffer
    largest = _largest(flatbuffer, [seam.tensor for seam in found], feed, progress)
    for seam, peaks in zip(found, largest, strict=True):
        _scale(model, seam, factors(peaks, seam.ceiling, seam.user_kind))
    return pack(model)


def factors(peaks: Array, ceiling: float, user_kind: str) -> Array:
    """(channels,) how much each channel grows, from the largest values seen in each."""
    alpha = TO_DEPTHWISE if user_kind == "DEPTHWISE_CONV_2D" else TO_FULL
    top = float(min(peaks.max(), ceiling))
    alive = peaks > 0
    grown = np.ones_like(peaks)
    grown[alive] = np.clip((top / HEADROOM / peaks[alive]) ** alpha, 1.0, LARGEST)
    return grown


def _seams(model: Any) -> list[Seam]:
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    kinds = operator_names(model)
    users: dict[int, list[int]] = {}
    for number, op in enumerate(graph.operators):
        for index in op.inputs:
            users.setdefault(int(index), []).append(number)
    kind_of = schema.ActivationFunctionType
    ceilings = {kind_of.RELU: np.inf, kind_of.RELU6: 6.0}
    seams = []
    for op, kind in zip(graph.operators, kinds, strict=True):
        made = int(op.outputs[0])
        consumers = users.get(made, [])
        if kind not in WEIGHTED or len(consumers) != 1 or made in graph.outputs:
            continue
        user, user_kind = graph.operators[consumers[0]], kinds[consumers[0]]
        activation = op.builtinOptions.fusedActivationFunction
        if user_kind in WEIGHTED and user.inputs[0] == made and activation in ceilings:
            seams.append(Seam(op, user, user_kind, made, ceilings[activation]))
    return [seam for seam in seams if _plain(model, seam)]


def _plain(model: Any, seam: Seam) -> bool:
    """Whether weights and bias are constants, and channels map one to one (no groups)."""
    tensors = model.subgraphs[0].tensors
    parts = [*seam.maker.inputs[1:3], seam.user.inputs[1]]
    if len(seam.maker.inputs) < 3 or min(parts) < 0:
        return False
    if any(constant(model, tensors[index]) is None for index in parts):
        return False
    return bool(tensors[seam.user.inputs[1]].shape[3] == tensors[seam.tensor].shape[3])


def _largest(flatbuffer: bytes, tensors: list[int], feed: Feed, progress: bool) -> list[Array]:
    """(channels,) per tensor: the largest value of each channel over the pictures."""
    network = LiteRt("float model", flatbuffer, threads=2, keep_all=True)
    peaks: list[Array] = []
    steps = bar(range(len(feed.pixels)), "channel ranges", progress)
    for _, tensor in zip(steps, feed.tensors(network), strict=True):
        network.infer(tensor)
        now = [np.asarray(network.tensor(i).max(axis=(0, 1, 2)), np.float64) for i in tensors]
        peaks = [np.maximum(a, b) for a, b in zip(peaks, now, strict=True)] if peaks else now
    return peaks


def _scale(model: Any, seam: Seam, grown: Array) -> None:
    maker, user = seam.maker.inputs, seam.user.inputs
    along = (1, 1, 1, -1)
    made_by = along if _weights_shape(model, maker[1])[0] == 1 else (-1, 1, 1, 1)
    _multiply(model, maker[1], grown.reshape(made_by))
    _multiply(model, maker[2], grown)
    _multiply(model, user[1], (1 / grown).reshape(along))


def _weights_shape(model: Any, index: int) -> tuple[int, ...]:
    return tuple(model.subgraphs[0].tensors[index].shape)


def _multiply(model: Any, index: int, factor: npt.NDArray[np.float64]) -> None:
    """Scale a constant, in a buffer of its own."""
    tensor = model.subgraphs[0].tensors[index]
    data = constant(model, tensor)
    assert data is not None
    values = data.view(np.float32).reshape(tuple(tensor.shape)) * factor
    buffer = type(model.buffers[0])()
    buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
