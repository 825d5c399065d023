"""A float flatbuffer -> which operators at its two ends may stay in float. Pure.

Rounding costs most at the ends: the first layers have few channels, and all that follows builds
on them; the scores tie where they lie closer than a step of the last layer's output, and a tie is
lost more often than won. Between the ends int8 costs least and saves most.
"""

import numpy as np

from converter.flatbuffer import unpack
from converter.layers import linears

DEPTHS = (0, 2, 4, 8, 16)
"""How many layers with weights in front are tried: 1 alone would be rounded behind it all the
same."""
SHARE = 1 / 3
"""Of all multiplications, at most so many in float."""


def ends(flatbuffer: bytes) -> list[tuple[int, tuple[str, ...]]]:
    """Layers in front, and the names of the tensors that these and the last layer make.

    What lies between two layers with weights goes with the first of them.
    """
    model = unpack(flatbuffer)
    graph, layers = model.subgraphs[0], linears(model)
    made = [graph.tensors[op.outputs[0]].name.decode() for op in graph.operators]
    starts = [made.index(layer.name) for layer in layers]
    work = np.cumsum([0.0, *(layer.multiplications for layer in layers)])
    found = []
    for depth in DEPTHS:
        if depth < len(layers) - 1 and work[depth] <= SHARE * work[-1]:
            front = made[: starts[depth]] if depth else []
            found.append((depth, (*front, *made[starts[-1] :])))
    return found
