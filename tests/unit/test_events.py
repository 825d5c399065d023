"""EventTracker: scores over time become stories, each told once."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import EventTracker, Rule
from edge.types import Detection, Event, Frame

GOLDEN = Path(__file__).parent.parent / "golden" / "events"
PIXELS = np.zeros((1, 1, 3), np.uint8)
RULE = Rule(enter=0.6, leave=0.4, confirm=2, release=3)


def frame(at_s: float) -> Frame:
    return Frame(PIXELS, mono_s=at_s, unix_s=1000 + at_s, arrived_s=at_s)


def run(scores: list[float], rule: Rule = RULE) -> list[Event]:
    tracker = EventTracker({"person": rule})
    events: list[Event] = []
    for second, score in enumerate(scores):
        events += tracker.update(frame(second), (Detection("person", score),))
    return events + list(tracker.finish(frame(len(scores))))


def test_a_story_has_a_start_and_an_end_with_honest_times() -> None:
    start, end = run([0.1, 0.7, 0.9, 0.5, 0.3, 0.2, 0.1, 0.0])
    assert (start.kind, start.unix_s, start.started_unix_s) == ("start", 1002, 1001)
    assert (start.score, start.frames_seen, start.frames_agreeing) == (0.9, 2, 2)
    assert (end.kind, end.unix_s, end.started_unix_s) == ("end", 1006, 1001)
    assert end.duration_s == 2.0, "from the first to the last frame that agreed"
    assert (end.frames_seen, end.frames_agreeing, end.score) == (6, 3, 0.9)
    assert start.story == end.story


def test_one_good_frame_is_not_enough_and_one_bad_one_does_not_end_it() -> None:
    assert run([0.9, 0.1, 0.9, 0.1]) == []
    assert [e.kind for e in run([0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1])] == ["start", "end"]


def test_between_the_thresholds_nothing_changes() -> None:
    assert run([0.5] * 10) == []
    assert [e.unix_s for e in run([0.7, 0.7] + [0.5] * 10)] == [1001, 1012]


def test_an_open_story_ends_with_its_source() -> None:
    assert [e.kind for e in run([0.9, 0.9, 0.9])] == ["start", "end"]


def test_labels_without_a_rule_make_no_events() -> None:
    tracker = EventTracker({"person": RULE})
    for second in range(10):
        assert tracker.update(frame(second), (Detection("cat", 1.0),)) == ()


@given(st.lists(st.floats(0, 1), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_starts_and_ends_alternate_and_the_story_counts_add_up(
    scores: list[float], confirm: int, release: int
) -> None:
    rule = Rule(0.6, 0.4, confirm, release)
    events = run(scores, rule)
    assert [e.kind for e in events] == ["start", "end"] * (len(events) // 2)
    for start, end in zip(events[::2], events[1::2], strict=True):
        assert start.story == end.story
        first = int(start.started_unix_s - 1000)
        assert all(score >= 0.6 for score in scores[first : first + confirm])
        assert end.frames_agreeing <= end.frames_seen
        assert end.duration_s <= end.frames_seen - 1
    assert len({e.story for e in events}) == len(events) // 2


@pytest.mark.parametrize("case", sorted(p.name for p in GOLDEN.iterdir()))
def test_golden(case: str) -> None:
    """frames.jsonl: time and scores; events.jsonl: what must come of them."""
    tracker = EventTracker({"person": Rule(0.6, 0.45), "vehicle": Rule(0.5, 0.4, 1, 2)})
    told = []
    at = frame(0)
    for text in (GOLDEN / case / "frames.jsonl").read_text().splitlines():
        seen = json.loads(text)
        at = frame(seen["at_s"])
        found = tuple(Detection(label, score) for label, score in seen["scores"].items())
        told += [brief(event) for event in tracker.update(at, found)]
    told += [brief(event) for event in tracker.finish(at)]
    assert told == [
        json.loads(t) for t in (GOLDEN / case / "events.jsonl").read_text().splitlines()
    ]


def brief(event: Event) -> dict[str, object]:
    return {
        "kind": event.kind,
        "story": event.story,
        "label": event.label,
        "at_s": event.unix_s - 1000,
        "started_s": event.started_unix_s - 1000,
        "duration_s": event.duration_s,
        "score": event.score,
    }
