"""EventTracker: scores over time become stories, each told once."""

import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import EventTracker, Profile, Rule, RuleBook
from edge.types import Detection, Event, Frame

GOLDEN = Path(__file__).parent.parent / "golden" / "events"
PIXELS = np.zeros((1, 1, 3), np.uint8)
RULE = Rule(enter=0.6, leave=0.4, confirm=2, release=3)


def frame(at_s: float) -> Frame:
    return Frame(PIXELS, mono_s=at_s, unix_s=1000 + at_s, arrived_s=at_s)


def run(scores: list[float], rule: Rule = RULE) -> list[Event]:
    tracker = EventTracker(RuleBook({"person": rule}))
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


def test_votes_among_the_latest_frames_start_a_story() -> None:
    rule = Rule(0.6, 0.4, confirm=3, window=5, release=3)
    assert run([0.9, 0.1, 0.9, 0.1], rule) == []
    start, _ = run([0.1, 0.9, 0.1, 0.9, 0.9, 0.9], rule)
    assert (start.unix_s, start.started_unix_s) == (1004, 1001)
    assert (start.frames_agreeing, start.frames_seen) == (3, 4)
    assert run([0.9, 0.9, 0.1, 0.1, 0.1, 0.9], rule) == []


def test_short_stories_are_not_told_and_long_ones_are_told_again() -> None:
    long = Rule(0.6, 0.4, confirm=2, release=3, min_duration_s=4)
    assert run([0.9] * 4, long) == []
    start, _ = run([0.9] * 8, long)
    assert (start.unix_s, start.started_unix_s, start.duration_s) == (1004, 1000, 4)
    again = Rule(0.6, 0.4, confirm=2, release=3, update_s=3)
    told = run([0.9] * 9, again)
    assert [(e.kind, e.duration_s) for e in told] == [
        ("start", 1), ("update", 4), ("update", 7), ("end", 8),
    ]  # fmt: skip


def test_after_a_story_the_cool_down_keeps_quiet() -> None:
    flicker = [0.9, 0.9, 0.1, 0.1, 0.1] * 4
    assert len(run(flicker)) == 8
    assert len(run(flicker, Rule(0.6, 0.4, 2, release=3, cooldown_s=10))) == 4


def test_a_rejected_frame_speaks_for_its_own_label_alone() -> None:
    """`no_leaf` has a rule of its own; it starts no disease, and ends one."""
    rules = RuleBook({"rust": RULE, "no_leaf": Rule(0.3, 0.3, 2, release=2)})
    tracker = EventTracker(rules)
    leaf, none = (Detection("rust", 0.9),), (Detection("no_leaf", 0.4),)
    told = [e for k, d in enumerate([leaf] * 3 + [none] * 4) for e in tracker.update(frame(k), d)]
    assert [(e.kind, e.label) for e in told] == [
        ("start", "rust"), ("start", "no_leaf"), ("end", "rust"),
    ]  # fmt: skip


def test_a_night_profile_holds_past_midnight() -> None:
    night = Profile(21 * 60, 6 * 60, {"person": Rule(0.9, 0.8)})
    book = RuleBook({"person": RULE, "car": RULE}, (night,))
    at = {hour: book.at(datetime(2026, 6, 1, hour).timestamp()) for hour in (5, 6, 12, 21, 23)}
    assert [at[hour]["person"].enter for hour in (5, 6, 12, 21, 23)] == [0.9, 0.6, 0.6, 0.9, 0.9]
    assert book.labels == ("person", "car")
    tracker = EventTracker(book)
    evening = datetime(2026, 6, 1, 20, 59, 50).timestamp()
    told: list[Event] = []
    for second in range(20):
        seen = Frame(PIXELS, second, evening + second, second)
        told += tracker.update(seen, (Detection("car", 0.9),))
    assert [(e.kind, e.unix_s - evening) for e in told] == [("start", 1), ("end", 10)]


def test_profiles_keep_the_hours_of_the_site_whatever_the_system_says() -> None:
    night = Profile(21 * 60, 6 * 60, {"person": Rule(0.9, 0.8)})
    tokyo = ZoneInfo("Asia/Tokyo")
    book = RuleBook({"person": RULE}, (night,), zone=tokyo)
    at = {h: book.at(datetime(2026, 6, 1, h, tzinfo=tokyo).timestamp()) for h in (5, 6, 20, 21)}
    assert [rules["person"].enter for rules in at.values()] == [0.9, 0.6, 0.6, 0.9]


def test_a_threshold_that_changes_holds_at_every_hour_and_keeps_the_leave_share() -> None:
    night = Profile(21 * 60, 6 * 60, {"person": Rule(0.9, 0.8, confirm=7)})
    book = RuleBook({"person": RULE, "car": RULE}, (night,), leave_share=0.5)
    book.set_threshold("person", 0.3)
    for hour in (12, 23):
        rule = book.at(datetime(2026, 6, 1, hour).timestamp())["person"]
        assert (rule.enter, rule.leave) == (0.3, 0.15)
    assert rule.confirm == 7, "the rest of the profile's rule stays"
    assert book.least("person", "enter") == 0.3 and book.least("person", "leave") == 0.15
    assert book.at(datetime(2026, 6, 1, 23).timestamp()).keys() == {"person"}, "no car by night"
    assert book.always["car"] is RULE
    book.set_threshold("person", 0.8, 0.7)
    assert book.least("person", "leave") == 0.7


def test_a_threshold_that_cannot_be_is_refused_and_changes_nothing() -> None:
    book = RuleBook({"person": RULE})
    with pytest.raises(ValueError, match="leave"):
        book.set_threshold("person", 0.5, 0.6)
    with pytest.raises(KeyError):
        book.set_threshold("cat", 0.5)
    assert book.always == {"person": RULE}


def test_a_tracker_follows_a_threshold_that_changes_while_it_runs() -> None:
    book = RuleBook({"person": RULE})
    tracker = EventTracker(book)
    unsure = (Detection("person", 0.5),)
    assert [e for k in range(5) for e in tracker.update(frame(k), unsure)] == []
    book.set_threshold("person", 0.45)
    assert [e.kind for k in range(5, 9) for e in tracker.update(frame(k), unsure)] == ["start"]


def test_it_is_busy_while_a_label_may_start_or_end() -> None:
    """What the motion gate asks: then every frame is looked at."""
    tracker = EventTracker(RuleBook({"person": RULE}))
    busy = []
    for second, score in enumerate([0.1, 0.9, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1]):
        tracker.update(frame(second), (Detection("person", score),))
        busy.append(tracker.busy)
    assert busy == [False, True, False, False, True, False, True, True, False, False]


def test_the_score_of_a_story_is_its_best() -> None:
    _, end = run([0.7, 0.95, 0.6, 0.5])
    assert end.score == 0.95


def test_what_holds_while_nothing_moves_goes_on() -> None:
    tracker = EventTracker(RuleBook({"person": Rule(0.6, 0.4, 2, release=3, update_s=30)}))
    for second in range(3):
        tracker.update(frame(second), (Detection("person", 0.9),))
    assert not tracker.busy
    told = [event for second in range(3, 40) for event in tracker.hold(frame(second))]
    assert [(e.kind, e.duration_s) for e in told] == [("update", 31)]
    tracker.update(frame(40), ())
    assert tracker.busy


def test_labels_without_a_rule_make_no_events() -> None:
    tracker = EventTracker(RuleBook({"person": RULE}))
    for second in range(10):
        assert tracker.update(frame(second), (Detection("cat", 1.0),)) == ()


@given(st.lists(st.floats(0, 1), max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_starts_and_ends_alternate_and_the_story_counts_add_up(
    scores: list[float], confirm: int, release: int
) -> None:
    rule = Rule(0.6, 0.4, confirm, release=release)
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
    tracker = EventTracker(
        RuleBook({"person": Rule(0.6, 0.45), "vehicle": Rule(0.5, 0.4, 1, release=2)})
    )
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
