"""Which of a detector's output tensors is which."""

import re

from edge.errors import FatalError
from edge.model import Contract
from edge.types import TensorSpec


def wanted(
    contract: Contract, outputs: tuple[TensorSpec, ...], guess: tuple[int, ...]
) -> tuple[int, ...]:
    """The contract's `output.tensors`, else the guess; each checked to exist.

    Raises FatalError that names the key and what the model has.
    """
    chosen = contract.output.tensors or guess
    if len(chosen) != len(guess) or any(not 0 <= i < len(outputs) for i in chosen):
        raise FatalError(
            f"output.tensors: layout {contract.output.layout} reads {len(guess)} tensors, got "
            f"{list(chosen)}; the model has {len(outputs)}: {listed(outputs)}"
        )
    return tuple(chosen)


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
