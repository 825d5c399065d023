"""Tracker: who is who from frame to frame."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.track import Tracker, TrackRule, kalman, match
from edge.track.kalman import Rows
from edge.types import Box, Detection, Frame, Track
from tests.benchmarks.scene import play

PIXELS = np.zeros((1, 1, 3), np.uint8)
RULE = TrackRule(enter=lambda _: 0.5, leave=lambda _: 0.25, lost_s=1.5, release=5)


def frame(at_s: float) -> Frame:
    return Frame(PIXELS, mono_s=at_s, unix_s=at_s, arrived_s=at_s)


def person(x: float, y: float = 0.5, score: float = 0.9, label: str = "person") -> Detection:
    """A box of 0.1 by 0.3 around that middle."""
    return Detection(label, score, Box(x - 0.05, y - 0.15, x + 0.05, y + 0.15))


def run(moments: Sequence[tuple[Detection, ...]], fps: float = 10) -> list[tuple[Track, ...]]:
    tracker = Tracker(RULE)
    return [tracker.update(frame(number / fps), found) for number, found in enumerate(moments)]


def numbers(told: list[tuple[Track, ...]]) -> set[int]:
    return {track.number for tracks in told for track in tracks}


def test_two_who_cross_keep_their_numbers() -> None:
    told = run([(person(0.2 + 0.02 * k, 0.5), person(0.8 - 0.02 * k, 0.56)) for k in range(30)])
    assert numbers(told) == {1, 2}
    where = {track.number: track.box.x_min for track in told[-1]}
    assert where[1] > 0.6 and where[2] < 0.4


def test_behind_a_tree_for_a_second_is_still_the_same() -> None:
    walk = [person(0.1 + 0.02 * k) for k in range(40)]
    told = run([() if 15 <= k < 25 else (found,) for k, found in enumerate(walk)])
    assert numbers(told) == {1}
    assert not any(track.seen for tracks in told[15:25] for track in tracks)
    guessed = told[24][0].box
    assert guessed.x_min == pytest.approx(0.1 + 0.02 * 24 - 0.05, abs=0.03)


def test_gone_for_longer_it_is_another() -> None:
    there = (person(0.5),)
    told = run([there] * 10 + [()] * 20 + [there] * 5)
    assert [len(tracks) for tracks in told] == [1] * 24 + [0] * 6 + [1] * 5
    assert numbers(told) == {1, 2}


def test_whoever_walks_out_of_the_frame_is_given_up_sooner() -> None:
    told = run([(person(0.6 + 0.04 * k),) for k in range(10)] + [()] * 10)
    assert [len(tracks) for tracks in told] == [1] * 14 + [0] * 6


def test_a_box_seen_twice_is_given_up_sooner_than_one_that_is_known() -> None:
    """A false alarm has one or two sightings; half a second is patience enough for it."""
    told = run([(person(0.5),)] * 2 + [()] * 10)
    assert [len(tracks) for tracks in told] == [1] * 6 + [0] * 6
    told = run([(person(0.5),)] * 3 + [()] * 10)
    assert [len(tracks) for tracks in told] == [1] * 13


def test_what_turns_up_nearby_in_another_size_is_another() -> None:
    """Out of touch, a box must be like the one that went: a bird is no walker."""
    near = Detection("person", 0.9, Box(0.6, 0.45, 0.63, 0.54))
    assert numbers(run([(person(0.5),), (near,)], fps=2)) == {1, 2}
    assert numbers(run([(person(0.5),), (person(0.615),)], fps=2)) == {1}


def test_unsure_detections_continue_a_track_but_begin_none() -> None:
    assert numbers(run([(person(0.5, score=0.4),)] * 10)) == set()
    told = run([(person(0.5),)] * 3 + [(person(0.5, score=0.3),)] * 30)
    assert [tracks[0].seen for tracks in told] == [True] * 33
    told = run([(person(0.5),)] * 3 + [(person(0.5, score=0.2),)] * 30)
    assert len(told[-1]) == 0


def test_a_second_box_of_the_same_person_is_no_second_person() -> None:
    whole, legs = person(0.5), Detection("person", 0.6, Box(0.46, 0.5, 0.54, 0.64))
    assert numbers(run([(whole, legs)] * 20)) == {1}


def test_labels_are_apart() -> None:
    told = run([(person(0.5), person(0.5, label="bicycle"))] * 5)
    assert [track.label for track in told[-1]] == ["person", "bicycle"]


def test_at_two_frames_a_second_a_walker_is_one() -> None:
    """Boxes that no longer overlap from look to look: 1.5 widths a step."""
    assert numbers(run([(person(0.1 + 0.15 * k),) for k in range(6)], fps=2)) == {1}


def test_a_held_track_outlives_the_quiet_time() -> None:
    tracker = Tracker(RULE)
    for k in range(5):
        tracker.update(frame(k / 10), (person(0.5),))
    for second in range(1, 30):
        assert len(tracker.hold(frame(second))) == 1
    assert [track.number for track in tracker.update(frame(30), (person(0.5),))] == [1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_exact_scene_has_few_wrong_identities(seed: int) -> None:
    """24 walkers, a pillar, crossings, 10 % missed: who is matched stays who it is."""
    tracker, last, switches, matched = Tracker(RULE), dict[int, int](), 0, 0
    for moment in play(seed, seconds=40):
        tracks = tracker.update(frame(moment.at_s), moment.detections)
        likeness = match.iou(rows(moment.truth.values()), rows(t.box for t in tracks))
        for row, who in enumerate(moment.truth):  # who was matched stays so while it holds
            likeness[row, [t.number == last.get(who) for t in tracks]] *= 2
        for row, column in match.greedy(likeness, 0.5):
            who, number = list(moment.truth)[row], tracks[column].number
            matched += 1
            switches += last.get(who, number) != number
            last[who] = number
    assert matched > 1000
    assert switches <= 4, "as measured by tests.benchmarks.tracking: 2 a scene"


def rows(boxes: Iterable[Box]) -> Rows:
    return np.array([astuple(box) for box in boxes], np.float64).reshape(-1, 4)


@given(st.lists(st.tuples(st.floats(0.01, 2), st.floats(0.2, 0.8)), min_size=1, max_size=12))
def test_the_filter_is_the_textbooks(steps: list[tuple[float, float]]) -> None:
    """One number of one box, with matrices: x = F x, P = F P F' + Q; then the Kalman update."""
    size = 0.1
    boxes = kalman.appear(np.array([[0.5, 0.5, size, size]]))
    state = np.array([0.5, 0.0])
    spread = np.diag([(kalman.MEASURED * size) ** 2, (kalman.SPEED[0] * size) ** 2])
    for seconds, seen in steps:
        size = max(float(boxes.place[0, 2]), 1e-4)
        move = np.array([[1.0, seconds], [0.0, 1.0]])
        push = np.array([seconds**2 / 2, seconds]) * kalman.ACCELERATION[0] * size
        state, spread = move @ state, move @ spread @ move.T + np.outer(push, push)
        kalman.predict(boxes, seconds)
        found = np.array([[seen, 0.5, 0.1, 0.1]])
        gain = spread[:, 0] / (spread[0, 0] + (kalman.MEASURED * 0.1) ** 2)
        state = state + gain * (seen - state[0])
        spread = spread - np.outer(gain, spread[0])
        kalman.correct(boxes, np.array([0]), found)
        ours = (boxes.place[0, 0], boxes.speed[0, 0])
        assert ours == pytest.approx(tuple(state), rel=1e-6, abs=1e-9)
        variances = (boxes.place_var[0, 0], boxes.cross_var[0, 0], boxes.speed_var[0, 0])
        expected = (spread[0, 0], spread[0, 1], spread[1, 1])
        assert variances == pytest.approx(expected, rel=1e-6, abs=1e-12)


DETECTIONS = st.lists(
    st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2), st.floats(0, 1)), max_size=6
)


@settings(deadline=None)
@given(st.lists(DETECTIONS, max_size=15), st.floats(0.01, 5))
def test_whatever_comes_tracks_are_whole(
    moments: list[list[tuple[float, float, float]]], step_s: float
) -> None:
    tracker, born = Tracker(RULE), 0
    for number, found in enumerate(moments):
        detections = tuple(person(x, y, score) for x, y, score in found)
        tracks = tracker.update(frame(number * step_s), detections)
        assert len({track.number for track in tracks}) == len(tracks)
        assert sum(track.seen for track in tracks) <= len(detections)
        for track in tracks:
            assert 0 <= track.box.x_min <= track.box.x_max <= 1
            assert 0 <= track.box.y_min <= track.box.y_max <= 1
            assert track.number <= born + len(detections)
        born = max([born, *(track.number for track in tracks)])
