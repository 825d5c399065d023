"""Tally and wilson: how often a day's frames show a label."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.summary import Tally, wilson
from edge.types import Detection

RUST, CLEAN = (Detection("rust", 0.9),), (Detection("rust", 0.3), Detection("healthy", 0.7))
NOON = datetime(2026, 6, 1, 12).timestamp()


def test_three_of_212_is_half_a_percent_to_four() -> None:
    assert wilson(3, 212) == pytest.approx((0.0048, 0.0408), abs=1e-4)


def test_known_values() -> None:
    """Brown, Cai and DasGupta's formula by hand, and the limits."""
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


@given(st.integers(1, 10_000), st.data())
def test_the_share_lies_in_its_interval_which_mirrors(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    low, high = wilson(count, total)
    assert 0 <= low <= count / total <= high <= 1
    mirrored = wilson(total - count, total)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


def test_one_frame_a_minute_counts_and_a_day_ends_at_midnight() -> None:
    tally = Tally({"rust": 0.6, "healthy": 0.5}, sample_s=60)
    for second in range(0, 300, 10):
        assert tally.add(NOON + second, RUST if second < 60 else CLEAN) is None
    day = tally.day
    assert day is not None and (day.date, day.frames) == ("2026-06-01", 5)
    assert day.counts == {"rust": 1, "healthy": 4}
    ended = tally.add(NOON + 13 * 3600, CLEAN)
    assert ended is day
    assert tally.day is not None and (tally.day.date, tally.day.frames) == ("2026-06-02", 1)


def test_every_picture_of_a_folder_counts() -> None:
    tally = Tally({"rust": 0.6}, sample_s=0)
    for _ in range(7):
        tally.add(NOON, RUST)
    assert tally.day is not None and (tally.day.frames, tally.day.counts) == (7, {"rust": 7})
