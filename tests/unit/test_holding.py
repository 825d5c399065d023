"""What holds on a source: stories that are open, who is where, how often lines were crossed."""

from typing import Any

from edge.feed.holding import Holding
from edge.types import Event


def event(kind: Any, story: int, **more: Any) -> Event:
    return Event(kind, story, "person", 0.9, 10.0, 9.0, 1.0, 3, 3, **more)


def test_a_story_holds_from_its_start_to_its_end() -> None:
    holding = Holding()
    holding.tell(event("start", 1))
    holding.tell(event("start", 2))
    holding.tell(event("update", 1, zones={"gate": 2.0}))
    assert holding.zones() == {"gate": {"person": 1}}
    holding.tell(event("end", 1))
    assert holding.stories.keys() == {2}
    assert holding.zones() == {}
    holding.tell(event("end", 1))
    assert holding.stories.keys() == {2}, "an end that comes twice changes nothing"


def test_crossings_are_counted_both_ways() -> None:
    holding = Holding()
    for direction in ("forward", "forward", "backward"):
        crossed: dict[str, Any] = {"change": "crossed", "place": "door", "direction": direction}
        holding.tell(event("update", 1, **crossed))
    assert holding.crossings == {"door": {"forward": 2, "backward": 1}}
