"""A frozen TensorFlow graph -> what it does at its ends. Runs in the child process only."""

from typing import Any

import numpy as np
import numpy.typing as npt

from converter.normalization import Expected, expected

SAME_VALUES = {"Identity", "Reshape", "Squeeze", "Cast"}
ARITHMETIC = {"Mul", "RealDiv", "Sub", "AddV2", "BiasAdd"}
PASSING = {
    "Identity",
    "Cast",
    "Pack",
    "Reshape",
    "ResizeBilinear",
    "ReverseV2",
    "StridedSlice",
    "Pad",
    "Transpose",
}
"""Operators that may stand between pixels and the first layer."""


def last_operator(frozen: Any) -> str:
    """The kind of the operator behind the output, seen through what does not change values."""
    return str(_maker(frozen.outputs[0]).type)


def front(frozen: Any) -> tuple[str, Expected]:
    """The first operator of the arithmetic before the first layer, and what input it is made for.

    `preprocess_input`, Rescaling, Normalization and the like, by what they make of 0 and of 1.
    """
    image = tensor = frozen.inputs[0]
    name = ""
    while users := tensor.consumers():
        operator = users[0]
        if operator.type in ARITHMETIC:
            if any(_depends(one) for one in operator.inputs if one is not tensor):
                break
            name = name or str(operator.name)
        elif operator.type not in PASSING:
            break
        tensor = operator.outputs[0]
    if not name:
        return "", ""
    low, high = (_middle(frozen, tensor, image, value) for value in (0.0, 1.0))
    return name, expected(low, high)


def _depends(tensor: Any) -> bool:
    """Whether a tensor's values depend on the picture."""
    waiting, seen = [tensor.op], set()
    while waiting:
        operator = waiting.pop()
        if operator.type == "Placeholder":
            return True
        if operator.name not in seen:
            seen.add(operator.name)
            waiting += [one.op for one in operator.inputs]
    return False


def _middle(frozen: Any, tensor: Any, image: Any, value: float) -> npt.NDArray[Any]:
    """What the middle pixel of `tensor` is for a picture of one value."""
    import tensorflow as tf

    answer = frozen.prune(frozen.inputs, [tensor])(tf.fill(image.shape, value))
    found = np.asarray(answer[0] if isinstance(answer, list | tuple) else answer)
    return found[0, found.shape[1] // 2, found.shape[2] // 2] if found.ndim > 2 else found.ravel()


def _maker(tensor: Any) -> Any:
    """The operator that gave a tensor its values."""
    operator = tensor.op
    while operator.type in SAME_VALUES and operator.inputs:
        operator = operator.inputs[0].op
    return operator
