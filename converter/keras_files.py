"""A trained model's file -> a callable network. Runs in the child process only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import FatalError


@dataclass(frozen=True, slots=True)
class Network:
    """A loaded Keras model, ready to be traced with a fixed input."""

    path: Path
    call: Any
    """(1, height, width, channels) float32 tensor -> (1, classes) float32 tensor."""
    input_shape: tuple[int, int, int]
    """Height, width, channels."""
    versions: dict[str, str]


def load(path: Path) -> Network:
    """Open a .keras or .h5 file. Raises FatalError naming the file and the layer or key."""
    import keras
    import tensorflow as tf

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        message = " ".join(str(error).split())
        raise FatalError(f"{path}: Keras cannot open it: {message[:200]}") from None
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise FatalError(
            f"{path}: has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "a classifier with one of each can be converted"
        )
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3 or None in shape:
        raise FatalError(
            f"{path}: its input has the shape {list(shape)}, not height, width, 1 or 3"
        )
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__}
    return Network(path, lambda image: model(image, training=False), shape, versions)
