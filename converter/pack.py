"""A quantised flatbuffer, its contract and some pictures -> the bytes of one model file."""

import numpy as np

from converter.measure import Feed
from converter.metadata import with_metadata
from converter.stored import Pixels, Stored
from edge.golden import GOLDEN_FILE, written
from edge.head import IN_GRAPH
from edge.model import Contract, sealed
from edge.runtime.litert import LiteRt

GOLDEN_PICTURES = (2, 4)
"""At least and at most."""
GOLDEN_BYTES = 160_000
"""What they may take of the file, where the least allows."""


def pack(flatbuffer: bytes, contract: Contract, pictures: Pixels | Stored) -> bytes:
    """A classifier with its metadata inside, and labels, contract and golden vectors behind it.

    The same arguments give the same bytes. Raises FatalError where LiteRT refuses the model.
    """
    flatbuffer = with_metadata(flatbuffer, contract)
    vectors = {GOLDEN_FILE: golden(flatbuffer, contract, pictures)}
    return sealed(flatbuffer, contract, vectors)


def pack_detector(
    flatbuffer: bytes, contract: Contract, pictures: Pixels | Stored, carried: dict[str, bytes]
) -> bytes:
    """A detector as it is, with the files that it carried, labels and contract behind it.

    Golden vectors only where the graph does not sort its boxes: two scores that are nearly the
    same come in another order on another processor, and every number behind them differs.
    """
    vectors = {}
    if contract.output.layout not in IN_GRAPH:
        vectors[GOLDEN_FILE] = golden(flatbuffer, contract, pictures)
    return sealed(flatbuffer, contract, carried | vectors)


def golden(flatbuffer: bytes, contract: Contract, pictures: Pixels | Stored) -> bytes:
    """golden.npz: input tensors and all raw outputs that CPU inference gives for them."""
    network = LiteRt("int8 model", flatbuffer, threads=1)
    least, most = GOLDEN_PICTURES
    count = min(most, max(least, GOLDEN_BYTES // pictures[0].nbytes))
    feed = Feed(pictures[:count], contract.input)
    inputs = [tensor[0] for tensor in feed.tensors(network)]
    rows = [network.infer(tensor[None]) for tensor in inputs]
    outputs = tuple(
        np.stack([answer[0] for answer in answers]) for answers in zip(*rows, strict=True)
    )
    return written(np.stack(inputs), outputs)
