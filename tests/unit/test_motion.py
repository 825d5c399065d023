"""MotionGate: quiet frames are not looked at, moving ones are, and every now and then one is."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.motion import MotionGate, MotionRule, cut, window
from edge.types import Box, Fit, Frame, Image

WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def scene(x: int | None = None, light: int = 0, seed: int = 0) -> Image:
    """A noisy grey yard, with someone bright at x."""
    chance = np.random.default_rng(seed)
    image = chance.normal(100 + light, 4, (240, 320, 3))
    if x is not None:
        image[100:180, x : x + 30] = 220
    return image.clip(0, 255).astype(np.uint8)


def frame(image: Image, at_s: float) -> Frame:
    return Frame(image, at_s, at_s, at_s)


def look(gate: MotionGate, images: list[Image], busy: bool = False) -> list[Box | None]:
    return [gate(frame(image, k / 10), busy, ()) for k, image in enumerate(images)]


def test_noise_and_a_cloud_are_no_movement_and_a_person_is() -> None:
    quiet = [scene(seed=k) for k in range(20)]
    assert look(MotionGate(MotionRule()), quiet) == [WHOLE] + [None] * 19
    cloud = [scene(light=2 * k, seed=k) for k in range(20)]
    assert look(MotionGate(MotionRule()), cloud) == [WHOLE] + [None] * 19
    person = [scene(seed=1)] + [scene(10 * k, seed=k) for k in range(10)]
    assert look(MotionGate(MotionRule()), person) == [WHOLE] * 11


def test_a_look_is_forced_and_a_busy_tracker_sees_every_frame() -> None:
    quiet = [scene(seed=k) for k in range(25)]
    looks = look(MotionGate(MotionRule(look_s=1)), quiet)
    assert [k for k, where in enumerate(looks) if where] == [0, 10, 20]
    assert None not in look(MotionGate(MotionRule()), quiet, busy=True)


def test_with_crop_the_model_sees_where_it_moved() -> None:
    person = [scene(seed=1)] + [scene(200, seed=k) for k in range(3)]
    _, first, *_ = look(MotionGate(MotionRule(crop=True)), person)
    assert first is not None
    assert first.x_min <= 200 / 320 and first.x_max >= 230 / 320
    assert first.x_max - first.x_min == pytest.approx(0.5) == first.y_max - first.y_min


def test_with_crop_the_model_sees_whom_it_knows_too() -> None:
    gate = MotionGate(MotionRule(crop=True))
    gate(frame(scene(seed=1), 0.0), False, ())
    known = Box(0.0, 0.1, 0.1, 0.4)
    where = gate(frame(scene(200, seed=2), 0.1), False, (known,))
    assert where is not None
    assert where.x_min <= known.x_min and where.y_min <= known.y_min
    assert where.x_max >= 230 / 320


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_a_window_holds_its_boxes_and_lies_in_the_frame(points: list[tuple[float, float]]) -> None:
    boxes = tuple(Box(x, y, min(1, x + 0.1), min(1, y + 0.2)) for x, y in points)
    found = window(boxes)
    assert found.x_min >= -1e-9 and found.x_max <= 1 + 1e-9
    assert found.y_min >= -1e-9 and found.y_max <= 1 + 1e-9
    for box in boxes:
        assert found.x_min <= box.x_min + 1e-9 and found.x_max >= box.x_max - 1e-9
        assert found.y_min <= box.y_min + 1e-9 and found.y_max >= box.y_max - 1e-9


def test_a_box_in_a_window_is_told_in_the_frame() -> None:
    part, fit = cut(np.zeros((100, 200, 3), np.uint8), Box(0.5, 0.2, 1.0, 0.7))
    assert part.shape == (50, 100, 3)
    whole = Fit(0, 0, 1, 1).within(fit).to_frame(Box(0.0, 0.0, 0.5, 1.0))
    assert astuple(whole) == pytest.approx((0.5, 0.2, 0.75, 0.7))
