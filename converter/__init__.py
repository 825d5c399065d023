"""Hedgerow on the workstation: a trained Keras CNN in, one measured int8 .tflite file out.

>>> from converter import Options, convert
>>> result = convert(Path("crop.keras"), Path("photos"), Path("crop.tflite"), Options())
"""

from converter.conversion import Conversion, convert
from converter.evaluation import evaluate
from converter.options import Options

__all__ = ["Conversion", "Options", "convert", "evaluate"]
