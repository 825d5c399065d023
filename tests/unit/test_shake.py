"""A camera that shakes: all boxes shift together, and everybody stays who he is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.track import Tracker, TrackRule, shake
from edge.track.kalman import Rows
from edge.types import Box, Detection, Frame

PIXELS = np.zeros((1, 1, 3), np.uint8)
PLACES = np.array([[0.2, 0.2, 0.06, 0.12], [0.5, 0.4, 0.06, 0.12], [0.7, 0.7, 0.06, 0.12]])
SAME = np.ones((3, 3), bool)


def moved(x: float, y: float) -> Rows:
    return np.asarray(PLACES + np.array([x, y, 0, 0]), np.float64)


@given(st.floats(-0.08, 0.08), st.floats(-0.08, 0.08))
def test_what_all_boxes_share_is_the_shift(x: float, y: float) -> None:
    found = shake.shift(PLACES, moved(x, y), SAME)
    small = abs(x) < 0.01 and abs(y) < 0.02
    assert found == pytest.approx((x, y), abs=1e-9) or (small and not found.any())


def test_who_walks_alone_is_no_shake() -> None:
    seen = PLACES.copy()
    seen[0, 0] += 0.05
    seen[1, 1] -= 0.1
    assert not shake.shift(PLACES, seen, SAME).any()


def test_two_are_too_few_to_tell() -> None:
    assert not shake.shift(PLACES[:2], moved(0.05, 0)[:2], SAME[:2, :2]).any()


def test_labels_are_no_witnesses_for_each_other() -> None:
    assert not shake.shift(PLACES, moved(0.05, 0), np.zeros((3, 3), bool)).any()


@pytest.mark.parametrize(
    ("amplitude", "fps", "most"), [(0.01, 5, 6), (0.01, 30, 6), (0.02, 30, 30)]
)
def test_walkers_before_a_shaking_camera_keep_their_numbers(
    amplitude: float, fps: int, most: int
) -> None:
    """Six people, 20 s, the picture at 1.5 Hz; before, 0.02 at 30 a second took 150 numbers."""
    chance = np.random.default_rng(1)
    tracker = Tracker(TrackRule(lambda _: 0.5, lambda _: 0.25))
    numbers: set[int] = set()
    for k in range(20 * fps):
        t = k / fps
        dx, dy = amplitude * np.sin(9.42 * t), amplitude * np.cos(6.91 * t)
        found = []
        for i in range(6):
            x = 0.1 + 0.8 * abs(((t * 0.03 + i * 0.31) % 2) - 1) + dx
            noise = chance.normal(0, 0.004, 4)
            edges = (
                np.array([x - 0.03, 0.06 + 0.14 * i + dy, x + 0.03, 0.18 + 0.14 * i + dy]) + noise
            )
            found.append(Detection("person", 0.8, Box(*edges.tolist())))
        for track in tracker.update(Frame(PIXELS, t, t, t), tuple(found)):
            numbers.add(track.number)
    assert 6 <= len(numbers) <= most
