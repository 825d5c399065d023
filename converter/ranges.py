"""A float network on calibration pictures -> the range of every activation, by several rules."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.flatbuffer import FLOAT32, Ranges, activations, constant, operator_names, unpack
from converter.measure import Feed
from converter.progress import bar
from edge.errors import FatalError
from edge.model import InputContract
from edge.runtime.litert import LiteRt

NUDGE = 1e-4
"""In steps of the input: tips a zero point that lies on half a step to the side where
`TensorSpec.quantize` gives `pixel - 128`."""

MEMORY = 0.95
"""Weight of the past in the moving average, as in ai-edge-quantizer."""

NARROWEST = 1e-4
"""A layer's range is at least this share of what its inputs times its largest weight span. A dead
block's range of 0 would give a rescaling of more than the 2^8 that XNNPACK takes, and a file that
no device loads; 3e-5 is where that begins."""

BOUNDS = ("MINIMUM", "MAXIMUM")
"""Operators whose constant says nothing of their range."""

BINS = 2048
HISTOGRAM_PICTURES = 48

Histogram = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Observed:
    """What calibration saw."""

    extremes: Ranges
    average: Ranges
    """Moving averages of each picture's extremes."""


def observe(flatbuffer: bytes, feed: Feed, progress: bool) -> Observed:
    """Smallest and largest value of every activation over the pictures; the input's is pinned.

    Raises FatalError naming a tensor that is not finite.
    """
    network = LiteRt("float model", flatbuffer, threads=2, keep_all=True)
    model = unpack(flatbuffer)
    graph = model.subgraphs[0]
    computed = activations(model)
    extremes: Ranges = {}
    average: Ranges = {}
    steps = bar(range(len(feed.pixels)), "calibrating", progress)
    for _, tensor in zip(steps, feed.tensors(network), strict=True):
        network.infer(tensor)
        for index in computed:
            values = network.tensor(index)
            if not values.size:
                continue
            low, high = float(values.min()), float(values.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                name = graph.tensors[index].name.decode()
                raise FatalError(f"tensor {name!r} is not finite for a calibration picture")
            before = extremes.get(index, (low, high))
            extremes[index] = min(low, before[0]), max(high, before[1])
            mean = average.get(index, (low, high))
            average[index] = _blend(mean[0], low), _blend(mean[1], high)
    return Observed(
        finished(extremes, model, feed.contract), finished(average, model, feed.contract)
    )


def _blend(before: float, now: float) -> float:
    return MEMORY * before + (1 - MEMORY) * now


def finished(ranges: Ranges, model: Any, contract: InputContract) -> Ranges:
    """The ranges of the unpacked float model with the input's pinned and dead ones widened."""
    graph = model.subgraphs[0]
    wide = ranges | {int(graph.inputs[0]): pinned(contract)}
    for op, kind in zip(graph.operators, operator_names(model), strict=True):
        if kind in BOUNDS:
            continue
        least = NARROWEST * _reach(model, op, wide)
        for index in op.outputs:
            low, high = wide.get(int(index), (0.0, np.inf))
            if high - low < least:
                wide[int(index)] = low, low + least
    return wide


def _reach(model: Any, op: Any, ranges: Ranges) -> float:
    """The product of an operator's input spans and its largest weight."""
    reach = 1.0
    for index in op.inputs[:2]:
        tensor = model.subgraphs[0].tensors[index]
        data = constant(model, tensor) if index >= 0 else None
        if int(index) in ranges:
            low, high = ranges[int(index)]
            reach *= max(high, 0.0) - min(low, 0.0)
        elif data is not None and tensor.type == FLOAT32:
            reach *= float(np.abs(data.view(np.float32)).max())
    return reach


def pinned(contract: InputContract) -> tuple[float, float]:
    """The range of all pixels 0..255 after normalisation, over all channels.

    One step of the input is then one pixel value: with the same mean and std in every channel
    the device's table is `pixel - 128`.
    """
    channels = np.ones(contract.channels)
    mean, std = np.multiply(contract.mean, channels), np.multiply(contract.std, channels)
    low, high = float(np.min((0 - mean) / std)), float(np.max((255 - mean) / std))
    step = (high - low) / 255
    halfway = abs((low / step) % 1 - 0.5) < NUDGE
    nudge = NUDGE * step if halfway else 0.0
    return low + nudge, high + nudge


def histograms(
    flatbuffer: bytes, feed: Feed, extremes: Ranges, progress: bool
) -> dict[int, Histogram]:
    """Tensor index -> how many values lie in each of BINS equal parts of its range."""
    network = LiteRt("float model", flatbuffer, threads=2, keep_all=True)
    counts = {index: np.zeros(BINS, np.int64) for index in extremes}
    few = Feed(feed.pixels[:HISTOGRAM_PICTURES], feed.contract)
    steps = bar(range(len(few.pixels)), "histograms", progress)
    for _, tensor in zip(steps, few.tensors(network), strict=True):
        network.infer(tensor)
        for index, (low, high) in extremes.items():
            part = (network.tensor(index).ravel() - np.float32(low)) * np.float32(
                BINS / (high - low)
            )
            bins = np.clip(part, 0, BINS - 1).astype(np.int32)
            counts[index] += np.bincount(bins, minlength=BINS)
    return counts


def percentile(counts: Histogram, span: tuple[float, float], share: float) -> tuple[float, float]:
    """The range that holds `share` of the values, the rest cut off evenly at both ends."""
    below = np.cumsum(counts) / max(1, counts.sum())
    cut = (1 - share) / 2
    edges = np.linspace(*span, BINS + 1)
    first = int(np.searchsorted(below, cut, side="right"))
    last = int(np.searchsorted(below, 1 - cut, side="left"))
    return float(edges[min(first, BINS - 1)]), float(edges[min(last, BINS - 1) + 1])


def least_error(counts: Histogram, span: tuple[float, float]) -> tuple[float, float]:
    """Of 40 ever narrower ranges, the one with the smallest squared error in 256 steps."""
    edges = np.linspace(*span, BINS + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    used = np.flatnonzero(counts)
    weights, values = counts[used], middles[used]
    best, found = np.inf, span
    for factor in np.linspace(1.0, 0.5, 40):
        low, high = min(span[0] * factor, 0.0), max(span[1] * factor, 0.0)
        step = max((high - low) / 255, 1e-30)
        rounded = np.clip(np.rint((values - low) / step), 0, 255) * step + low
        error = float((weights * (rounded - values) ** 2).sum())
        if error < best:
            best, found = error, (low, high)
    return found
