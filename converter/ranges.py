"""A float network on calibration pictures -> the range of every activation."""

import numpy as np

from converter.flatbuffer import Ranges, activations, unpack
from converter.measure import Feed
from converter.progress import bar
from edge.errors import FatalError
from edge.model import InputContract
from edge.runtime.litert import LiteRt

NUDGE = 1e-4
"""In steps of the input: tips a zero point that lies on half a step to the side where
`TensorSpec.quantize` gives `pixel - 128`."""


def observe(flatbuffer: bytes, feed: Feed, progress: bool) -> Ranges:
    """Smallest and largest value of every activation over the pictures; the input's is pinned.

    Raises FatalError naming a tensor that is not finite.
    """
    network = LiteRt("float model", flatbuffer, threads=2, keep_all=True)
    model = unpack(flatbuffer)
    graph = model.subgraphs[0]
    computed = activations(model)
    ranges: Ranges = {}
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
            before = ranges.get(index, (low, high))
            ranges[index] = min(low, before[0]), max(high, before[1])
    ranges[int(graph.inputs[0])] = pinned(feed.contract)
    return ranges


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
