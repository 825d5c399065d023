"""Tally and wilson: how often a day's frames show a label."""

from datetime import datetime
from zoneinfo import ZoneInfo

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
    tally = Tally(lambda: {"rust": 0.6, "healthy": 0.5}, sample_s=60)
    for second in range(0, 300, 10):
        assert tally.add(NOON + second, RUST if second < 60 else CLEAN) is None
    day = tally.day
    assert day is not None and (day.date, day.frames) == ("2026-06-01", 5)
    assert day.counts == {"rust": 1, "healthy": 4}
    ended = tally.add(NOON + 13 * 3600, CLEAN)
    assert ended is day
    assert tally.day is not None and (tally.day.date, tally.day.frames) == ("2026-06-02", 1)


def test_every_picture_of_a_folder_counts() -> None:
    tally = Tally(lambda: {"rust": 0.6}, sample_s=0)
    for _ in range(7):
        tally.add(NOON, RUST)
    assert tally.day is not None and (tally.day.frames, tally.day.counts) == (7, {"rust": 7})


def test_the_first_frame_of_a_day_counts_however_soon_it_comes() -> None:
    tally = Tally(lambda: {"rust": 0.6}, sample_s=7200)
    midnight = datetime(2026, 6, 2).timestamp()
    tally.add(midnight - 10, RUST)
    ended = tally.add(midnight + 10, RUST)
    assert ended is not None and (ended.date, ended.frames) == ("2026-06-01", 1)
    assert tally.day is not None and (tally.day.date, tally.day.frames) == ("2026-06-02", 1)


def test_days_are_those_of_the_site() -> None:
    """22:30 in Berlin is the next day in Tokyo."""
    late = datetime(2026, 6, 1, 22, 30, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    for zone, date in (("Europe/Berlin", "2026-06-01"), ("Asia/Tokyo", "2026-06-02")):
        tally = Tally(lambda: {"rust": 0.6}, 60, ZoneInfo(zone))
        tally.add(late, RUST)
        assert tally.day is not None and tally.day.date == date


def test_a_folder_of_pictures_is_one_day_in_every_zone() -> None:
    """Its clock starts at 0 and counts a second a picture: it has no midnight."""
    tally = Tally(lambda: {"rust": 0.6}, 0, ZoneInfo("America/New_York"))
    told = [tally.add(float(second), RUST, virtual=True) for second in range(0, 200_000, 50)]
    assert not any(told)
    assert tally.day is not None and (tally.day.date, tally.day.frames) == ("1970-01-01", 4000)


def test_a_clock_that_is_set_back_stops_no_count() -> None:
    tally = Tally(lambda: {"rust": 0.6}, sample_s=60)
    for second in range(0, 600, 10):
        tally.add(NOON + second, RUST)
    for second in range(0, 600, 10):
        tally.add(NOON - 7200 + second, RUST)
    assert tally.day is not None and tally.day.frames == 20


def test_a_threshold_that_changes_counts_from_then_on() -> None:
    thresholds = {"rust": 0.6}
    tally = Tally(lambda: thresholds, sample_s=0)
    unsure = (Detection("rust", 0.5),)
    tally.add(NOON, unsure)
    thresholds["rust"] = 0.4
    tally.add(NOON + 1, unsure)
    assert tally.day is not None and (tally.day.frames, tally.day.counts) == (2, {"rust": 1})
