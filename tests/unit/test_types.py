"""TensorSpec: real values and quantised ones. Fit: the window of the frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Box, Fit, TensorSpec

DTYPES = (np.int8, np.uint8, np.int16)


@given(
    st.sampled_from(DTYPES),
    st.floats(1e-4, 10),
    st.integers(-128, 127),
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50),
)
def test_quantising_is_off_by_at_most_half_a_step_inside_the_range(
    dtype: type, scale: float, zero_point: int, values: list[float]
) -> None:
    spec = TensorSpec("x", (len(values),), np.dtype(dtype), scale, zero_point)
    limits = np.iinfo(dtype)
    low, high = ((limit - zero_point) * scale for limit in (limits.min, limits.max))
    real = np.clip(np.array(values), low, high)
    error = np.abs(spec.dequantize(spec.quantize(real)) - real)
    assert error.max() <= 0.5001 * scale + 1e-5 * np.abs(real).max()


@given(st.sampled_from(DTYPES), st.floats(-1e30, 1e30))
def test_values_outside_the_range_are_clamped(dtype: type, value: float) -> None:
    spec = TensorSpec("x", (1,), np.dtype(dtype), 0.01, 3)
    limits = np.iinfo(dtype)
    assert limits.min <= int(spec.quantize(np.array([value]))[0]) <= limits.max


@pytest.mark.parametrize(
    ("mean", "std", "scale", "zero_point"),
    [(0.0, 255.0, 1 / 255, -128), (127.5, 127.5, 1 / 127.5, -1)],
    ids=["0..1", "-1..1"],
)
def test_the_two_common_inputs_become_pixel_minus_128(
    mean: float, std: float, scale: float, zero_point: int
) -> None:
    spec = TensorSpec("x", (256,), np.dtype(np.int8), float(np.float32(scale)), zero_point)
    pixels = np.arange(256)
    assert np.array_equal(spec.quantize((pixels - mean) / std), pixels - 128)


def test_a_tensor_without_scale_is_passed_on() -> None:
    spec = TensorSpec("x", (2,), np.dtype(np.float32))
    assert spec.quantize(np.array([0.25, -3.0])).tolist() == [0.25, -3.0]
    assert spec.dequantize(np.array([0.25, -3.0], np.float32)).tolist() == [0.25, -3.0]


def test_fit_takes_a_box_from_the_input_to_the_frame() -> None:
    half = Fit(x_start=0.25, y_start=0.0, x_span=0.5, y_span=1.0)
    assert half.to_frame(Box(0.0, 0.0, 1.0, 1.0)) == Box(0.25, 0.0, 0.75, 1.0)
    assert half.to_frame(Box(0.5, 0.5, 0.5, 0.5)) == Box(0.5, 0.5, 0.5, 0.5)
