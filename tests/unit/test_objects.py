"""ObjectEvents: every object's story, told once, with the places it walks through."""

import json
from pathlib import Path

import numpy as np
import pytest

from edge.events import ObjectEvents, Rule, RuleBook
from edge.track import Tracker, TrackRule
from edge.types import Box, Detection, Event, Frame
from edge.zones import Line, Places, Zone

GOLDEN = Path(__file__).parent.parent / "golden" / "objects"
PIXELS = np.zeros((1, 1, 3), np.uint8)
PERSON = Rule(enter=0.5, leave=0.25)
FOLLOW = TrackRule(lambda _: 0.5, lambda _: 0.25)
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def frame(at_s: float) -> Frame:
    return Frame(PIXELS, mono_s=at_s, unix_s=1000 + at_s, arrived_s=at_s)


def person(x: float, score: float = 0.9, size: float = 0.1) -> Detection:
    return Detection("person", score, Box(x - size / 2, 0.5 - size, x + size / 2, 0.5 + size))


def objects(rule: Rule = PERSON, places: Places | None = None) -> ObjectEvents:
    return ObjectEvents(RuleBook({"person": rule}), Tracker(FOLLOW), places or Places())


def run(stories: ObjectEvents, *moments: tuple[Detection, ...], fps: float = 10) -> list[Event]:
    events: list[Event] = []
    for number, found in enumerate(moments):
        events += stories.update(frame(number / fps), found)
    return events + list(stories.finish(frame(len(moments) / fps)))


def brief(events: list[Event]) -> list[tuple[str, str | None, str | None]]:
    return [(event.kind, event.change, event.place) for event in events]


def test_an_object_has_a_start_and_an_end_with_its_box_and_number() -> None:
    start, end = run(objects(), *[(person(0.5),)] * 10, *[()] * 20)
    assert (start.kind, start.change, start.track, start.unix_s) == ("start", "appeared", 1, 1000.2)
    assert (end.kind, end.change, end.duration_s) == ("end", "gone", 0.9)
    assert end.unix_s == pytest.approx(1000.9 + 1.5)
    assert start.box is not None and start.box.x_min == pytest.approx(0.45, abs=0.01)
    assert (end.frames_agreeing, end.frames_seen, end.score) == (10, 24, 0.9)


def test_two_objects_are_two_stories_and_three_frames_are_needed() -> None:
    moments = [(person(0.2), person(0.8))] * 2 + [(person(0.2),)] * 3
    assert brief(run(objects(), *moments)) == [("start", "appeared", None), ("end", "gone", None)]
    events = run(objects(), *[(person(0.2), person(0.8))] * 4)
    assert len({event.story for event in events}) == 2


def test_a_walk_through_a_zone_and_over_a_line() -> None:
    line = Line("middle", (0.5, 1.0), (0.5, 0.0))
    stories = objects(places=Places((Zone("left", LEFT),), (line,)))
    events = run(stories, *[(person(0.1 + 0.02 * k),) for k in range(40)])
    assert brief(events) == [
        ("start", "appeared", None), ("update", "crossed", "middle"), ("update", "left", "left"),
        ("end", "gone", None),
    ]  # fmt: skip
    assert events[0].zones == {"left": pytest.approx(0.1)}
    assert events[1].direction == "forward" and events[2].zones == {}


def test_filters_by_size_duration_and_zone() -> None:
    still = [(person(0.5),)] * 30
    assert run(objects(Rule(0.5, 0.25, min_area=0.03)), *still) == []
    assert run(objects(Rule(0.5, 0.25, max_area=0.01)), *still) == []
    assert run(objects(Rule(0.5, 0.25, min_duration_s=5)), *still) == []
    late = run(objects(Rule(0.5, 0.25, min_duration_s=2)), *still)
    assert (late[0].kind, late[0].unix_s, late[0].started_unix_s) == ("start", 1002, 1000)
    ignored = Places((Zone("left", LEFT, ignore=True),))
    assert run(objects(places=ignored), *[(person(0.3),)] * 30) == []
    required = Places((Zone("left", LEFT, required=True),))
    assert run(objects(places=required), *[(person(0.7),)] * 30) == []
    assert brief(run(objects(places=required), *[(person(0.3),)] * 30))[0] == (
        "start", "appeared", None,
    )  # fmt: skip


def test_a_required_zone_keeps_nobody_quiet_whom_it_is_not_for() -> None:
    gate = Places((Zone("left", LEFT, labels=("car",), required=True),))
    told = run(objects(places=gate), *[(person(0.8),)] * 10)
    assert [event.kind for event in told] == ["start", "end"]


def test_who_stayed_before_the_start_is_told_with_the_start() -> None:
    """A minimum duration or a cool-down may hold a start back for longer than `stay_s`."""
    places = Places((Zone("left", LEFT, stay_s=2),))
    told = run(objects(Rule(0.5, 0.25, min_duration_s=3), places), *[(person(0.3),)] * 50)
    assert brief(told) == [
        ("start", "appeared", None), ("update", "stayed", "left"), ("end", "gone", None),
    ]  # fmt: skip
    places = Places((Zone("left", LEFT, stay_s=1),))
    gone = [*[(person(0.3),)] * 20, *[(person(0.3 + 0.02 * k),) for k in range(20)]]
    told = run(objects(Rule(0.5, 0.25, min_duration_s=3.5), places), *gone)
    assert ("update", "stayed", "left") not in brief(told), "it has left meanwhile"


def test_who_crossed_before_the_start_is_told_with_the_start_and_only_then() -> None:
    """Where it was before is in the start's zones; a crossing is nowhere else."""
    line = Line("middle", (0.5, 1.0), (0.5, 0.0))
    places = Places((Zone("left", LEFT),), (line,))
    walk = [(person(0.3 + 0.02 * k),) for k in range(30)]
    told = run(objects(Rule(0.5, 0.25, min_duration_s=2), places), *walk)
    assert brief(told) == [
        ("start", "appeared", None), ("update", "crossed", "middle"), ("end", "gone", None),
    ]  # fmt: skip


def test_it_is_busy_while_somebody_is_unseen_or_not_yet_sure() -> None:
    """What the motion gate asks: then every frame is looked at."""
    stories = objects()
    busy = []
    for number, found in enumerate([1, 1, 1, 1, 0, 1, 0, 0]):
        stories.update(frame(number / 10), (person(0.5),) * found)
        busy.append(stories.busy)
    assert busy == [True, True, False, False, True, False, True, True]


def test_a_picture_that_is_held_is_no_second_witness() -> None:
    """One trembling box at a zone's edge, then nothing moves: it has not entered."""
    stories = objects(places=Places((Zone("left", LEFT),)))
    told = [e for k in range(5) for e in stories.update(frame(k / 10), (person(0.505),))]
    told += stories.update(frame(0.5), (person(0.495),))
    assert stories.busy, "the next frames decide"
    told += [event for k in range(6, 20) for event in stories.hold(frame(k / 10))]
    assert brief(told) == [("start", "appeared", None)]
    told += [e for k in range(20, 23) for e in stories.update(frame(k / 10), (person(0.49),))]
    assert brief(told)[1:] == [("update", "entered", "left")]
    assert not stories.busy


def test_updates_come_on_a_slow_schedule() -> None:
    events = run(objects(Rule(0.5, 0.25, update_s=1)), *[(person(0.5),)] * 35)
    assert [event.change for event in events] == [
        "appeared",
        "goes_on",
        "goes_on",
        "goes_on",
        "gone",
    ]


def test_after_an_end_the_cool_down_keeps_quiet() -> None:
    walks = [(person(0.5),)] * 10 + [()] * 20 + [(person(0.5),)] * 10
    assert len(run(objects(), *walks)) == 4
    assert len(run(objects(Rule(0.5, 0.25, cooldown_s=60)), *walks)) == 2


def test_what_holds_while_nothing_moves_goes_on() -> None:
    stories = objects()
    events = [event for k in range(5) for event in stories.update(frame(k / 10), (person(0.5),))]
    for second in range(1, 60):
        events += stories.hold(frame(second))
    assert brief(events) == [("start", "appeared", None)]
    (end,) = stories.finish(frame(60))
    assert end.duration_s == 59 and end.frames_seen == 5


@pytest.mark.parametrize("case", sorted(p.name for p in GOLDEN.iterdir()))
def test_golden(case: str) -> None:
    """frames.jsonl: time and boxes (label, score, corners); events.jsonl: what must come."""
    stories = objects()
    told: list[dict[str, object]] = []
    at = frame(0)
    for text in (GOLDEN / case / "frames.jsonl").read_text().splitlines():
        seen = json.loads(text)
        at = frame(seen["at_s"])
        found = tuple(Detection(b[0], b[1], Box(*b[2:])) for b in seen["boxes"])
        told += [line(event) for event in stories.update(at, found)]
    told += [line(event) for event in stories.finish(at)]
    assert told == [
        json.loads(t) for t in (GOLDEN / case / "events.jsonl").read_text().splitlines()
    ]


def line(event: Event) -> dict[str, object]:
    return {
        "kind": event.kind, "story": event.story, "label": event.label, "track": event.track,
        "at_s": round(event.unix_s - 1000, 3), "started_s": round(event.started_unix_s - 1000, 3),
        "duration_s": round(event.duration_s, 3), "score": event.score,
    }  # fmt: skip
