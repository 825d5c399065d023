"""Which of a detector's output tensors is which."""

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import FatalError
from edge.model import Contract
from edge.types import TensorSpec

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Raw:
    """What a network itself said, before the contract's functions make probabilities of it."""

    name: str
    """Of the tensor with the scores."""
    scores: Floats
    centers: Floats | None = None
    """(n, 2) or more: where its boxes lie, in its own unit; None for boxes over anchors."""


def wanted(
    contract: Contract, outputs: tuple[TensorSpec, ...], guess: tuple[int, ...]
) -> tuple[int, ...]:
    """The contract's `output.tensors`, else the guess; each checked to exist.

    Raises FatalError that names the key and what the model has.
    """
    told = contract.output.tensors
    chosen = guess if told is None else told
    there = all(0 <= place < len(outputs) for place in chosen)
    if len(chosen) != len(guess) or not there or len(set(chosen)) != len(chosen):
        reads = f"layout {contract.output.layout}" if contract.output.layout else contract.task
        raise FatalError(
            f"output.tensors: {reads} reads {len(guess)} tensors, got {list(chosen)}; the model "
            f"has {len(outputs)}: {listed(outputs)}"
        )
    return tuple(chosen)


def scores_place(contract: Contract, outputs: tuple[TensorSpec, ...]) -> int:
    """Where a classifier's scores lie: as `output.tensors` says, else in the first output that
    has as many values as there are labels."""
    fitting = fitting_labels(len(contract.labels), outputs)
    return wanted(contract, outputs, (fitting[0] if fitting else 0,))[0]


def fitting_labels(labels: int, outputs: tuple[TensorSpec, ...]) -> tuple[int, ...]:
    """The outputs that have as many real values as there are labels."""
    return tuple(
        place
        for place, spec in enumerate(outputs)
        if math.prod(spec.shape) == labels and not spec.counts
    )


def listed(outputs: tuple[TensorSpec, ...]) -> str:
    """`'boxes' [1, 10, 4], 'scores' [1, 10]`, for messages."""
    return ", ".join(f"{spec.name!r} {list(spec.shape)}" for spec in outputs)


def postprocess_order(outputs: tuple[TensorSpec, ...]) -> tuple[int, ...]:
    """The op's boxes, classes, scores and count, among outputs in any order.

    TensorFlow 1 names them TFLite_Detection_PostProcess, …:1, …:2, …:3 in that order. Exports
    that lost the names list them in that order, as the op itself does.
    """
    numbers = [re.fullmatch(r"TFLite_Detection_PostProcess(?::(\d))?", s.name) for s in outputs]
    if len(outputs) == 4 and all(numbers):
        places = {int(found[1] or 0): index for index, found in enumerate(numbers) if found}
        if set(places) == {0, 1, 2, 3}:
            return tuple(places[number] for number in range(4))
    return (0, 1, 2, 3)


def boxes_first(outputs: tuple[TensorSpec, ...]) -> tuple[int, int]:
    """Of two outputs, the one whose places hold 4 values is the boxes."""
    if len(outputs) >= 2 and 4 in outputs[1].shape[1:] and 4 not in outputs[0].shape[1:]:
        return (1, 0)
    return (0, 1)
