"""A frozen TensorFlow graph -> what it does at its ends. Runs in the child process only."""

from typing import Any

import numpy as np
import numpy.typing as npt

SAME_VALUES = {"Identity", "Reshape", "Squeeze", "Cast"}
ARITHMETIC = {"Mul", "RealDiv", "Sub", "AddV2", "BiasAdd"}
PASSING = {"Identity", "Cast", "Pack", "Reshape", "ResizeBilinear", "ReverseV2", "StridedSlice"}
"""Operators that may stand between pixels and the first layer."""
ONLY_PIXELS = 16.0
"""What is divided by this much, or shifted by it, are pixels of 0..255."""


def last_operator(frozen: Any) -> str:
    """The kind of the operator behind the output, seen through what does not change values."""
    return str(_maker(frozen.outputs[0]).type)


def normalizes(frozen: Any) -> str:
    """The operator in front that turns pixels of 0..255 into what the network likes, or empty.

    `preprocess_input`, Rescaling and the like are told by the size of their constants.
    """
    tensor = frozen.inputs[0]
    while users := tensor.consumers():
        operator = users[0]
        if operator.type in ARITHMETIC:
            sizes = [size for one in operator.inputs for size in np.abs(_constant(one)).ravel()]
            if any(size >= ONLY_PIXELS or 0 < size <= 1 / ONLY_PIXELS for size in sizes):
                return str(operator.name)
        elif operator.type not in PASSING:
            break
        tensor = operator.outputs[0]
    return ""


def _constant(tensor: Any) -> npt.NDArray[Any]:
    """The numbers of a constant; none where it is computed."""
    import tensorflow as tf

    maker = _maker(tensor)
    if maker.type != "Const":
        return np.zeros(0)
    return np.asarray(tf.make_ndarray(maker.get_attr("value")))


def _maker(tensor: Any) -> Any:
    """The operator that gave a tensor its values."""
    operator = tensor.op
    while operator.type in SAME_VALUES and operator.inputs:
        operator = operator.inputs[0].op
    return operator
