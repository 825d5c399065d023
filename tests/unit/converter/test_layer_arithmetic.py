"""Mean patches, rounding, equalisation and ranges, against sums done the long way."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.equalize import HEADROOM, factors
from converter.layers import Linear
from converter.patches import mean_patch, patches, response
from converter.ranges import BINS, least_error, percentile, pinned
from converter.rounding import Moments, rounded
from edge.model import InputContract
from edge.types import TensorSpec

REAL = TensorSpec("x", (), np.dtype(np.float32))


def layer(kind: str, weights: npt.NDArray[np.float64], stride: int, same: bool) -> Linear:
    outputs = weights.shape[3] if kind == "DEPTHWISE_CONV_2D" else weights.shape[0]
    return Linear(
        kind,
        "layer",
        REAL,
        0,
        weights,
        np.ones(outputs),
        REAL.dtype,
        0,
        None,
        -1,
        np.ones(outputs),
        REAL.dtype,
        (stride, stride),
        (1, 1),
        same,
    )


def convolved(one: Linear, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """(positions, out): the convolution by TensorFlow's definition, position by position."""
    height, width = one.weights.shape[1:3]
    rows, columns = values.shape[1:3]
    stride = one.stride[0]
    if one.same:
        counts = -(-rows // stride), -(-columns // stride)
        missing = (
            max(0, (counts[0] - 1) * stride + height - rows),
            max(0, (counts[1] - 1) * stride + width - columns),
        )
    else:
        counts = (rows - height) // stride + 1, (columns - width) // stride + 1
        missing = 0, 0
    found = []
    for row in range(counts[0]):
        for column in range(counts[1]):
            total = 0.0
            for y in range(height):
                for x in range(width):
                    at = row * stride + y - missing[0] // 2, column * stride + x - missing[1] // 2
                    if 0 <= at[0] < rows and 0 <= at[1] < columns:
                        pixel = values[0, at[0], at[1]].astype(np.float64)
                        if one.kind == "DEPTHWISE_CONV_2D":
                            total = total + one.weights[0, y, x] * pixel
                        else:
                            total = total + one.weights[:, y, x] @ pixel
            found.append(total)
    return np.array(found)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_mean_output_follows_from_the_mean_patch(
    kind: str, size: int, stride: int, same: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(1, 7, 6, 3)).astype(np.float32)
    shape = (1, size, size, 3) if kind == "DEPTHWISE_CONV_2D" else (4, size, size, 3)
    one = layer(kind, random.normal(size=shape), stride, same)
    expected = convolved(one, values).mean(axis=0)
    np.testing.assert_allclose(response(one, mean_patch(one, values)), expected, atol=1e-5)


def test_patches_times_weights_are_the_convolution() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(1, 6, 5, 4)).astype(np.float32)
    one = layer("CONV_2D", random.normal(size=(2, 3, 3, 4)), 2, True)
    product = patches(one, values)[0] @ one.weights.reshape(2, -1).T
    np.testing.assert_allclose(product, convolved(one, values), atol=1e-5)


def test_rounding_for_the_data_beats_rounding_to_the_nearest() -> None:
    random = np.random.default_rng(2)
    inputs = random.normal(size=(500, 4)) @ random.normal(size=(4, 12))
    spread = np.cov(inputs.T, bias=True)[None]
    one = layer("FULLY_CONNECTED", random.normal(size=(6, 12)) * 20, 1, False)
    nothing = np.zeros((1, 12))
    steps = rounded(one, one, Moments(nothing, nothing, spread, spread))

    def error(weights: npt.NDArray[np.float64]) -> float:
        off = weights - one.weights
        return float(np.einsum("oi,ij,oj->", off, spread[0], off))

    assert error(steps) < 0.5 * error(np.rint(one.weights))
    assert np.abs(steps - one.weights).max() < 20


def test_weights_make_up_for_inputs_that_int8_spoiled() -> None:
    """Earlier layers' errors: each input leaks into the next, and all are a little too small."""
    random = np.random.default_rng(3)
    inputs = random.normal(size=(4000, 8)) @ random.normal(size=(8, 8))
    spoiled = 0.8 * inputs + 0.1 * np.roll(inputs, 1, axis=1)
    nothing = np.zeros((1, 8))
    square, cross = spoiled.T @ spoiled / 4000, inputs.T @ spoiled / 4000
    one = layer("FULLY_CONNECTED", random.normal(size=(5, 8)) * 20, 1, False)

    def error(moments: Moments) -> float:
        return float(
            np.square(inputs @ one.matrix.T - spoiled @ rounded(one, one, moments).T).sum()
        )

    blind = error(Moments(nothing, nothing, square[None], square[None]))
    assert error(Moments(nothing, nothing, square[None], cross[None])) < 0.7 * blind


def test_channels_grow_to_near_the_end_of_their_tensors_range_and_never_beyond() -> None:
    peaks = np.array([0.0, 0.5, 3.0, 6.0])
    grown = factors(peaks, 6.0, "DEPTHWISE_CONV_2D")
    near = 6.0 / HEADROOM
    np.testing.assert_allclose(grown * peaks, [0.0, near, near, 6.0])
    gentle = factors(peaks, 6.0, "CONV_2D")
    assert ((gentle >= 1) & (gentle <= grown)).all()


@pytest.mark.parametrize(("mean", "std"), [(0.0, 255.0), (127.5, 127.5), (0.0, 1.0), (64.0, 80.0)])
def test_the_pinned_range_has_a_step_for_each_pixel_value(mean: float, std: float) -> None:
    low, high = pinned(InputContract(width=4, height=4, mean=(mean,), std=(std,)))
    assert (high - low) / 255 == pytest.approx(1 / std)
    zero_point = np.rint(-128 - low / ((high - low) / 255))
    tensor = TensorSpec("x", (1,), np.dtype(np.int8), (high - low) / 255, int(zero_point))
    pixels = (np.arange(256) - mean) / std
    np.testing.assert_array_equal(tensor.quantize(pixels), np.arange(256) - 128)


def test_narrower_ranges_cut_what_is_rare() -> None:
    counts = np.zeros(BINS, np.int64)
    counts[BINS // 2 - 50 : BINS // 2 + 50] = 10_000
    counts[-1] = 1
    low, high = percentile(counts, (-1.0, 1.0), 0.999)
    assert -0.06 < low < -0.04
    assert 0.04 < high < 0.06
    assert least_error(counts, (-1.0, 1.0))[1] < 1.0


def test_a_grouped_convolution_keeps_its_groups_apart() -> None:
    one = layer("CONV_2D", np.ones((4, 1, 1, 2)), 1, False)
    patch = np.arange(4.0).reshape(1, 1, 4)
    np.testing.assert_array_equal(response(one, patch), [1, 1, 5, 5])
    assert replace(one, kind="CONV_2D").weights.shape == (4, 1, 1, 2)
