"""A source's figures: of the last minute, by nearest rank."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.daemon import stats
from edge.daemon.stats import SourceStats
from edge.types import Observation


class Clock:
    """time.monotonic() as the test wants it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(stats, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


def film(source: SourceStats, clock: Clock, frames: int, fps: float, latency_s: float) -> None:
    for _ in range(frames):
        clock.now_s += 1 / fps
        source.observe(Observation(0.0, (), latency_s))


def test_fps_and_percentiles_are_of_the_last_minute(clock: Clock) -> None:
    source = SourceStats()
    film(source, clock, 600, 10.0, 0.5)
    assert source.fps == pytest.approx(10.0, rel=0.01)
    clock.now_s += 12 * 3600  # a night asleep
    assert (source.fps, source.latency_ms(95)) == (0.0, 0.0), "what was long ago is not now"
    film(source, clock, 50, 10.0, 0.02)
    assert source.fps == pytest.approx(10.0, rel=0.03)
    assert source.latency_ms(95) == pytest.approx(20.0)
    film(source, clock, 600, 2.0, 0.02)
    assert source.fps == pytest.approx(2.0, rel=0.01)
    assert source.frames == 1250


def test_a_recording_keeps_the_figures_of_its_own_last_minute(clock: Clock) -> None:
    source = SourceStats()
    source.live = False
    film(source, clock, 100, 50.0, 0.004)
    clock.now_s += 3600
    assert source.fps == pytest.approx(50.0, rel=0.02)
    assert source.latency_ms(50) == pytest.approx(4.0)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    milliseconds: list[int], percent: int
) -> None:
    source = SourceStats()
    for value in milliseconds:
        source.observe(Observation(0.0, (), value / 1000))
    found = round(source.latency_ms(percent))
    assert found in milliseconds
    assert sum(v <= found for v in milliseconds) * 100 >= percent * len(milliseconds)
    assert sum(v < found for v in milliseconds) * 100 < percent * len(milliseconds)


def test_p95_of_one_to_twenty_is_nineteen() -> None:
    source = SourceStats()
    for value in range(1, 21):
        source.observe(Observation(0.0, (), value / 1000))
    assert [round(source.latency_ms(p)) for p in (5, 50, 95, 100)] == [1, 10, 19, 20]


def test_frames_that_were_not_inferred_have_no_latency_but_count() -> None:
    source = SourceStats()
    for number in range(10):
        source.observe(Observation(0.0, (), 0.001, looked=number % 2 == 0))
    assert (source.frames, source.quiet) == (10, 5)
    assert len([1 for s in source._recent if s.latency_s is not None]) == 5


def test_what_was_dropped_before_a_source_was_opened_anew_still_counts() -> None:
    source = SourceStats()
    first = SimpleNamespace(dropped=7, skipped=1, live=True)
    source.settle(first)
    again = SimpleNamespace(dropped=2, skipped=0, live=True)
    found = source.status(again)
    assert (found.dropped, found.skipped) == (9, 1)


def test_counts_never_go_back_however_often_a_source_is_paused() -> None:
    source = SourceStats()
    seen = [0]
    for number in range(1, 4):
        camera = SimpleNamespace(dropped=0, skipped=0, live=True)
        for camera.dropped in range(5):
            seen.append(source.status(camera).dropped)
        source.settle(camera)
        seen.append(source.status(camera).dropped)  # who asks between this and the next opening
        seen.append(source.status(None).dropped)
        assert seen[-1] == 4 * number
    assert seen == sorted(seen)


def test_a_camera_that_is_paused_asleep_or_gone_has_no_frame_rate(clock: Clock) -> None:
    source = SourceStats()
    source.online = True
    film(source, clock, 600, 10.0, 0.01)
    assert source.status(None).fps == pytest.approx(10.0, rel=0.01)
    source.paused = True
    assert source.status(None).fps == 0
    source.paused, source.asleep = False, True
    assert source.status(None).fps == 0
    source.asleep, source.online = False, False
    assert source.status(None).fps == 0
    source.live = False
    assert source.status(None).fps == pytest.approx(10.0, rel=0.01), "a recording that has ended"
