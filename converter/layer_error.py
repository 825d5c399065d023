"""Float and int8 flatbuffers of one network -> how far every layer's output strays."""

from typing import Any

import numpy as np

from converter.flatbuffer import operator_names, unpack
from converter.layers import spec
from converter.measure import Feed
from edge.runtime.litert import LiteRt

PICTURES = 8


def layer_errors(flatbuffer: bytes, int8: bytes, feed: Feed) -> list[dict[str, Any]]:
    """Root mean square error over root mean square value of each layer that both networks have.

    Worst first; 0 is exact, 1 is as far off as an output of zeros.
    """
    few = Feed(feed.pixels[:PICTURES], feed.contract)
    tree, quantized = unpack(flatbuffer), unpack(int8)
    names = {t.name: index for index, t in enumerate(quantized.subgraphs[0].tensors)}
    pairs = []
    for op, kind in zip(tree.subgraphs[0].operators, operator_names(tree), strict=True):
        tensor = tree.subgraphs[0].tensors[op.outputs[0]]
        if tensor.name in names:
            pairs.append((kind, int(op.outputs[0]), names[tensor.name]))
    one = LiteRt("float model", flatbuffer, threads=2, keep_all=True)
    other = LiteRt("int8 model", int8, threads=2, keep_all=True)
    wrong, size = np.zeros(len(pairs)), np.full(len(pairs), 1e-30)
    for real, coarse in zip(few.tensors(one), few.tensors(other), strict=True):
        one.infer(real)
        other.infer(coarse)
        for row, (_, index, mate) in enumerate(pairs):
            expected = one.tensor(index)
            answer = spec(quantized.subgraphs[0].tensors[mate]).dequantize(other.tensor(mate))
            if expected.shape == answer.shape:
                wrong[row] += float(np.square(answer - expected, dtype=np.float64).sum())
                size[row] += float(np.square(expected, dtype=np.float64).sum())
    rows = [
        {
            "name": tree.subgraphs[0].tensors[index].name.decode().split(";")[-1],
            "operator": kind,
            "error": float(np.sqrt(wrong[row] / size[row])),
        }
        for row, (kind, index, _) in enumerate(pairs)
    ]
    return sorted(rows, key=lambda row: -float(row["error"]))
