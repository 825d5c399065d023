"""A picture -> the network's input tensor. The device, calibration and training all run this.

Only model-size pixels are converted: crop (a view), resize, colour order, one table look-up.
A uint8 pixel has 256 values, so normalisation and quantisation together are a table of 256
entries per channel, exact for any mean, std, scale and zero point.
"""

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import FatalError
from edge.model import InputContract
from edge.types import Fit, Image, Tensor, TensorSpec

LETTERBOX_GREY = 114
"""The pixel value of the bars, as the YOLO family is trained with."""


class Preprocess:
    """One model's preprocessing: `preprocess(image) -> (tensor, fit)`.

    Raises FatalError at construction where the contract and the tensor do not go together.
    """

    def __init__(self, contract: InputContract, tensor: TensorSpec) -> None:
        self._contract = contract
        self._shape = tensor.shape
        size = (contract.height, contract.width, contract.channels)
        self._transpose = _layout(tensor, size)
        self._table = pixel_table(contract, tensor)
        pixels = np.arange(256, dtype=np.uint8)
        flat = self._table.dtype.itemsize == 1
        self._same = flat and bool(np.all(self._table.view(np.uint8) == pixels[:, None]))
        self._xor = flat and bool(np.all(self._table.view(np.uint8) == (pixels ^ 0x80)[:, None]))

    def __call__(self, image: Image) -> tuple[Tensor, Fit]:
        """(height, width, 3) uint8 B,G,R of any size -> the tensor, in its own shape and dtype."""
        pixels, fit = _resize(image, self._contract)
        tensor = self._convert(_recolor(pixels, self._contract.color))
        if self._transpose:
            tensor = np.ascontiguousarray(tensor.transpose(2, 0, 1))
        return tensor.reshape(self._shape), fit

    def _convert(self, pixels: Image) -> Tensor:
        if self._same:
            return pixels.view(self._table.dtype)
        if self._xor:
            return np.bitwise_xor(pixels, np.uint8(0x80)).view(self._table.dtype)
        if self._table.dtype.itemsize == 1:
            return cv2.LUT(pixels, self._table.reshape(1, 256, -1)).reshape(pixels.shape)
        return self._table[pixels, np.arange(self._table.shape[1])]


def pixel_table(contract: InputContract, tensor: TensorSpec) -> Tensor:
    """(256, channels) in the tensor's dtype: what each pixel value becomes."""
    pixels = np.repeat(np.arange(256.0)[:, None], contract.channels, axis=1)
    real = (pixels - np.array(contract.mean)) / np.array(contract.std)
    return np.ascontiguousarray(tensor.quantize(real))


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


def _resize(image: Image, contract: InputContract) -> tuple[npt.NDArray[np.uint8], Fit]:
    """Any size -> (height, width, 3) of the model, and which window of the frame that shows."""
    height, width = image.shape[:2]
    target = (contract.width, contract.height)
    match contract.resize:
        case "stretch":
            return _scale(image, target), Fit(0.0, 0.0, 1.0, 1.0)
        case "crop":
            aspect = contract.width / contract.height
            crop_height = min(height, width / aspect) * contract.crop_fraction
            rows = max(1, round(crop_height))
            columns = max(1, round(crop_height * aspect))
            top, left = (height - rows) // 2, (width - columns) // 2
            window = image[top : top + rows, left : left + columns]
            fit = Fit(left / width, top / height, columns / width, rows / height)
            return _scale(window, target), fit
        case "letterbox":
            return _letterbox(image, target)


def _letterbox(image: Image, target: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], Fit]:
    height, width = image.shape[:2]
    ratio = min(target[0] / width, target[1] / height)
    inner = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    left, top = (target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2
    canvas = np.full((target[1], target[0], 3), LETTERBOX_GREY, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = _scale(image, inner)
    fit = Fit(-left / inner[0], -top / inner[1], target[0] / inner[0], target[1] / inner[1])
    return canvas, fit


def _scale(image: Image, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if (image.shape[1], image.shape[0]) == size:
        return np.ascontiguousarray(image)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _recolor(pixels: npt.NDArray[np.uint8], color: str) -> Image:
    match color:
        case "rgb":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
        case "grey":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)[:, :, None]
        case _:
            return pixels
