"""Hedgerow on the workstation: a trained Keras CNN in, one measured int8 .tflite file out.

>>> from converter import Options, convert
>>> result = convert(Path("crop.keras"), Path("photos"), Path("crop.tflite"), Options())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from converter.conversion import Conversion, convert
    from converter.evaluation import evaluate
    from converter.options import Options

__all__ = ["Conversion", "Options", "convert", "evaluate"]

PLACES = {
    "Conversion": "conversion",
    "convert": "conversion",
    "evaluate": "evaluation",
    "Options": "options",
}


def __getattr__(name: str) -> Any:
    """On first use: the child process must leave the network before NumPy starts threads."""
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"converter.{PLACES[name]}"), name)
