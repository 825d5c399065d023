"""A picture -> the network's input tensor. The device, calibration and training all run this.

Only model-size pixels are converted: crop (a view), resize, colour order, one table look-up.
A uint8 pixel has 256 values, so normalisation and quantisation together are a table of 256
entries per channel, exact for any mean, std, scale and zero point.
"""

import cv2
import numpy as np
import numpy.typing as npt

from edge.contract import LETTERBOX_GREY
from edge.errors import FatalError
from edge.model import InputContract
from edge.types import Fit, Image, Tensor, TensorSpec

__all__ = ["LETTERBOX_GREY", "Preprocess", "check_range", "pixel_table"]

MOST_CUT = 0.25
"""The share of pixel values that may lie beyond a quantized tensor's range. Calibration cuts a few
percent; a normalization that the network was not quantized for cuts a half or more."""
LEAST_STEPS = 32
"""Values that the pixels 0 to 255 must become, at least."""
USUAL = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "none": (0.0, 255.0)}
"""Normalizations by name, with the range that each gives."""


class Preprocess:
    """One model's preprocessing: `preprocess(image) -> (tensor, fit)`. Not for two threads.

    Raises FatalError at construction where the contract and the tensor do not go together.
    """

    def __init__(self, contract: InputContract, tensor: TensorSpec) -> None:
        self._contract = contract
        self._tensor = tensor
        size = (contract.height, contract.width, contract.channels)
        self._transpose = _layout(tensor, size)
        self._small = np.empty((*size[:2], 3), np.uint8)
        self._colored = np.empty(size if contract.channels == 3 else size[:2], np.uint8)
        self._converted = np.empty(self._colored.shape, tensor.dtype)
        self._table = pixel_table(contract, tensor)
        pixels = np.arange(256, dtype=np.uint8)
        flat = self._table.dtype.itemsize == 1
        self._same = flat and bool(np.all(self._table.view(np.uint8) == pixels[:, None]))
        self._xor = flat and bool(np.all(self._table.view(np.uint8) == (pixels ^ 0x80)[:, None]))

    @property
    def spec(self) -> TensorSpec:
        """The tensor that is written."""
        return self._tensor

    def __call__(self, image: Image, out: Tensor | None = None) -> tuple[Tensor, Fit]:
        """(height, width, 3) uint8 B,G,R of any size -> the tensor, in its own shape and dtype.

        The tensor is written to `out`, which a caller may use again; without it, to a new one.
        """
        if out is None:
            out = np.empty(self._tensor.shape, self._tensor.dtype)
        pixels, fit = _resize(image, self._contract, self._small)
        pixels = _recolor(pixels, self._contract.color, self._colored)
        if self._transpose:
            self._convert(pixels, self._converted)
            np.copyto(out, self._converted.transpose(2, 0, 1)[None])
        else:
            self._convert(pixels, out.reshape(pixels.shape))
        return out, fit

    def _convert(self, pixels: Image, out: Tensor) -> None:
        """A copy or one xor where the parameters allow it, else one look-up per value."""
        if self._same:
            np.copyto(out.view(np.uint8), pixels)
        elif self._xor:
            np.bitwise_xor(pixels, np.uint8(0x80), out=out.view(np.uint8))
        else:
            cv2.LUT(pixels, self._table.reshape(1, 256, -1), dst=out)


def pixel_table(contract: InputContract, tensor: TensorSpec) -> Tensor:
    """(256, channels) in the tensor's dtype: what each pixel value becomes."""
    pixels = np.repeat(np.arange(256.0)[:, None], contract.channels, axis=1)
    real = (pixels - np.array(contract.mean)) / np.array(contract.std)
    return np.ascontiguousarray(tensor.quantize(real))


def check_range(contract: InputContract, tensor: TensorSpec) -> None:
    """Raises FatalError where pixels leave a quantized tensor's range, or hardly use it."""
    if tensor.scale == 0.0:
        return
    limits = np.iinfo(tensor.dtype)
    low, high = ((limit - tensor.zero_point) * tensor.scale for limit in (limits.min, limits.max))
    real = (np.arange(256.0)[:, None] - np.array(contract.mean)) / np.array(contract.std)
    beyond = (real < low - tensor.scale) | (real > high + tensor.scale)
    steps = np.unique(pixel_table(contract, tensor)[:, 0]).size
    if beyond.mean() <= MOST_CUT and steps >= LEAST_STEPS:
        return
    near = (
        name for name, ends in USUAL.items() if np.allclose((low, high), ends, atol=0.02 * high)
    )
    name = next(near, "")
    hint = f": {name} fits it" if name else ""
    raise FatalError(
        f"input tensor {tensor.name!r} takes {low:.3g} to {high:.3g}; with mean = "
        f"{_plain(contract.mean)} and std = {_plain(contract.std)} the pixels 0 to 255 become "
        f"{real.min():.3g} to {real.max():.3g}, of which {beyond.mean():.0%} lie outside and "
        f"{steps} values are left: give the normalization that it was quantized for{hint} "
        "(--normalize; in model.toml input.mean and input.std)"
    )


def _plain(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _layout(tensor: TensorSpec, size: tuple[int, int, int]) -> bool:
    """Whether (height, width, channels) must be transposed to channels first."""
    height, width, channels = size
    if tensor.shape[:1] == (1,):
        if tensor.shape[1:] == size or (channels == 1 and tensor.shape[1:] == size[:2]):
            return False
        if tensor.shape[1:] == (channels, height, width):
            return True
    raise FatalError(
        f"input tensor {tensor.name!r} has the shape {list(tensor.shape)}, the contract says "
        f"height {height}, width {width}, {channels} channel(s)"
    )


def _resize(image: Image, contract: InputContract, out: Image) -> tuple[npt.NDArray[np.uint8], Fit]:
    """Any size -> (height, width, 3) of the model, and which window of the frame that shows.

    The pixels are in `out`, or they are the image's own where that has the size already.
    """
    height, width = image.shape[:2]
    target = (contract.width, contract.height)
    match contract.resize:
        case "stretch":
            return _scale(image, target, out), Fit(0.0, 0.0, 1.0, 1.0)
        case "crop":
            aspect = contract.width / contract.height
            crop_height = min(height, width / aspect) * contract.crop_fraction
            rows = max(1, round(crop_height))
            columns = max(1, round(crop_height * aspect))
            top, left = (height - rows) // 2, (width - columns) // 2
            window = image[top : top + rows, left : left + columns]
            fit = Fit(left / width, top / height, columns / width, rows / height)
            return _scale(window, target, out), fit
        case "letterbox":
            return _letterbox(image, contract, out)


def _letterbox(
    image: Image, contract: InputContract, canvas: Image
) -> tuple[npt.NDArray[np.uint8], Fit]:
    height, width = image.shape[:2]
    target = (contract.width, contract.height)
    ratio = min(target[0] / width, target[1] / height)
    inner = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    left, top = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
    canvas.fill(contract.pad)
    canvas[top : top + inner[1], left : left + inner[0]] = _scale(image, inner, None)
    fit = Fit(-left / inner[0], -top / inner[1], target[0] / inner[0], target[1] / inner[1])
    return canvas, fit


def _scale(image: Image, size: tuple[int, int], out: Image | None) -> npt.NDArray[np.uint8]:
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(cv2.resize(image, size, dst=out, interpolation=cv2.INTER_LINEAR), np.uint8)


def _recolor(pixels: npt.NDArray[np.uint8], color: str, out: Image) -> Image:
    """B,G,R -> the model's colours, in `out` where they differ; grey without a channel axis."""
    match color:
        case "rgb":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=out), np.uint8)
        case "grey":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY, dst=out), np.uint8)
        case _:
            return pixels
