"""Preprocess: the table is exact, the geometry is right, wrong contracts are refused."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.errors import FatalError
from edge.model import InputContract
from edge.preprocess import LETTERBOX_GREY, Preprocess, check_range
from edge.types import Image, TensorSpec

RESIZES: tuple[Literal["stretch", "letterbox", "crop"], ...] = ("stretch", "letterbox", "crop")
COLORS: tuple[Literal["rgb", "bgr", "grey"], ...] = ("rgb", "bgr", "grey")


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def spec(
    shape: tuple[int, ...], dtype: type, scale: float = 0.0, zero_point: int = 0
) -> TensorSpec:
    return TensorSpec("image", shape, np.dtype(dtype), scale, zero_point)


@settings(deadline=None)
@given(
    st.sampled_from(COLORS),
    st.sampled_from(RESIZES),
    st.tuples(st.integers(1, 80), st.integers(1, 80)),
    st.sampled_from([np.int8, np.uint8, np.int16]),
    st.tuples(
        st.floats(-50, 200), st.floats(0.5, 300), st.floats(1e-3, 0.1), st.integers(-100, 100)
    ),
)
def test_every_quantised_input_is_the_float_input_quantised(
    color: Literal["rgb", "bgr", "grey"],
    resize: Literal["stretch", "letterbox", "crop"],
    size: tuple[int, int],
    dtype: type,
    numbers: tuple[float, float, float, int],
) -> None:
    mean, std, scale, zero_point = numbers
    contract = InputContract(
        width=24, height=16, color=color, resize=resize, mean=(mean,), std=(std,)
    )
    shape = (1, 16, 24, contract.channels)
    image = noise(*size)
    real, _ = Preprocess(contract, spec(shape, np.float32))(image)
    quantised, _ = Preprocess(contract, spec(shape, dtype, scale, zero_point))(image)
    assert quantised.shape == shape and quantised.dtype == dtype
    steps = real.astype(np.float64) / scale + zero_point
    clipped = np.clip(steps, np.iinfo(dtype).min, np.iinfo(dtype).max)
    assert np.abs(quantised - clipped).max() <= 0.51


def test_channels_keep_their_own_mean_and_their_order() -> None:
    contract = InputContract(width=1, height=1, mean=(10, 20, 30), std=(1, 2, 3))
    blue_green_red = np.array([[[90, 60, 30]]], np.uint8)
    tensor, _ = Preprocess(contract, spec((1, 1, 1, 3), np.float32))(blue_green_red)
    assert tensor.ravel().tolist() == [30 - 10, (60 - 20) / 2, (90 - 30) / 3]


def test_grey_and_channels_first_and_a_missing_channel_axis() -> None:
    image = noise(28, 28)
    grey = InputContract(width=28, height=28, color="grey", std=(1,))
    flat, _ = Preprocess(grey, spec((1, 28, 28), np.float32))(image)
    assert np.array_equal(flat[0], cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    color = InputContract(width=28, height=28, std=(1,))
    first, _ = Preprocess(color, spec((1, 3, 28, 28), np.float32))(image)
    assert np.array_equal(first[0], image[:, :, ::-1].transpose(2, 0, 1))


def test_letterbox_keeps_the_aspect_and_says_where_the_frame_is() -> None:
    contract = InputContract(width=40, height=40, resize="letterbox", color="bgr", std=(1,))
    tensor, fit = Preprocess(contract, spec((1, 40, 40, 3), np.float32))(
        np.zeros((20, 80, 3), np.uint8)
    )
    bars = tensor[0, :, 0, 0] == LETTERBOX_GREY
    assert bars.tolist() == [True] * 15 + [False] * 10 + [True] * 15
    assert (fit.x_start, fit.x_span) == (0, 1)
    assert (fit.y_start, fit.y_span) == (-1.5, 4)


@pytest.mark.parametrize("pad", [0, 17, 255])
def test_the_bars_have_the_models_own_value(pad: int) -> None:
    contract = InputContract(
        width=40, height=40, resize="letterbox", color="bgr", std=(1,), pad=pad
    )
    tensor, _ = Preprocess(contract, spec((1, 40, 40, 3), np.float32))(noise(20, 80))
    assert np.all(tensor[0, :15] == pad) and np.all(tensor[0, 25:] == pad)


def test_the_usual_pad_is_not_written_so_that_older_devices_read_the_contract() -> None:
    usual = InputContract(width=4, height=4, resize="letterbox")
    assert usual.pad == LETTERBOX_GREY
    assert "pad" not in usual.model_dump()
    black = usual.model_copy(update={"pad": 0})
    assert black.model_dump()["pad"] == 0
    assert InputContract.model_validate_json(black.model_dump_json()) == black
    assert InputContract.model_validate_json(usual.model_dump_json()) == usual


def test_crop_shows_the_middle() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 20:60] = 200
    contract = InputContract(width=8, height=8, resize="crop", color="bgr", std=(1,))
    tensor, fit = Preprocess(contract, spec((1, 8, 8, 3), np.float32))(image)
    assert np.all(tensor == 200)
    assert (fit.x_start, fit.x_span, fit.y_start, fit.y_span) == (0.25, 0.5, 0, 1)


@pytest.mark.parametrize("shape", [(1, 90, 96, 3), (1, 96, 96, 1), (2, 96, 96, 3), (96,)])
def test_a_tensor_of_another_shape_is_refused_by_name(shape: tuple[int, ...]) -> None:
    contract = InputContract(width=96, height=96)
    with pytest.raises(FatalError, match=r"input tensor 'image' has the shape"):
        Preprocess(contract, spec(shape, np.int8, 1 / 255, -128))


@pytest.mark.parametrize("color", COLORS)
def test_means_that_do_not_fit_the_colours_are_refused(
    color: Literal["rgb", "bgr", "grey"],
) -> None:
    wrong = (1.0, 2.0)
    with pytest.raises(ValidationError, match=rf"mean: expected 1 .*for {color}, got 2"):
        InputContract(width=4, height=4, color=color, mean=wrong)


@settings(deadline=None)
@given(st.integers(4, 40), st.integers(4, 40), st.integers(0, 99))
def test_pixels_are_scaled_between_their_neighbours(height: int, width: int, seed: int) -> None:
    """Bilinear with half-pixel centres, as tf.image.resize and Keras' Resizing have it."""
    contract = InputContract(width=16, height=16, color="bgr", std=(1,))
    image = noise(height, width, seed)
    tensor, _ = Preprocess(contract, spec((1, 16, 16, 3), np.float32))(image)
    rows, columns = along(height), along(width)
    right = np.einsum("rh,hwc,sw->rsc", rows, image.astype(np.float64), columns)
    assert np.abs(tensor[0] - right).max() <= 1.0


def along(side: int) -> npt.NDArray[np.float64]:
    """(16, side): how much of each pixel each of 16 new ones is made of."""
    at = np.clip((np.arange(16) + 0.5) * side / 16 - 0.5, 0, side - 1)
    low = np.minimum(at.astype(int), side - 2)
    weights = np.zeros((16, side))
    weights[np.arange(16), low] = 1 - (at - low)
    weights[np.arange(16), low + 1] += at - low
    return weights


@pytest.mark.parametrize(("mean", "std", "says"), [
    ((0.0,), (1.0,), "99% lie outside"), ((0.0,), (255.0,), ""), ((127.5,), (127.5,), ""),
    ((103.9, 116.8, 123.7), (1.0,), "lie outside"),
])  # fmt: skip
def test_a_normalization_of_another_range_is_refused(
    mean: tuple[float, ...], std: tuple[float, ...], says: str
) -> None:
    """A network quantized for -1..1, as the SSDs are: with pixels as they are, all is white."""
    contract = InputContract(width=4, height=4, mean=mean, std=std)
    tensor = spec((1, 4, 4, 3), np.uint8, 1 / 128, 128)
    if not says:
        check_range(contract, tensor)
        return
    with pytest.raises(FatalError, match=says) as caught:
        check_range(contract, tensor)
    assert "-1..1 fits it" in str(caught.value)


def test_a_normalization_that_leaves_few_values_is_refused() -> None:
    contract = InputContract(width=4, height=4, mean=(0,), std=(255,))
    with pytest.raises(FatalError, match=r"2 values are left: .*: none fits it"):
        check_range(contract, spec((1, 4, 4, 3), np.int8, 1.0, -128))
    check_range(contract, spec((1, 4, 4, 3), np.float32))
