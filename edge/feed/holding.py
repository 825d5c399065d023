"""Events of one source -> what holds now: open stories, counts by zone, crossings."""

from collections import Counter
from dataclasses import dataclass, field

from edge.types import Event, ViewState


@dataclass(slots=True)
class Holding:
    """What holds on one source: open stories by number, crossings counted so far."""

    stories: dict[int, Event] = field(default_factory=dict)
    crossings: dict[str, dict[str, int]] = field(default_factory=dict)
    view: ViewState | None = None
    """Whether the camera can see; None: nobody watches."""
    view_unix_s: float = 0.0
    """Since when, seconds since 1970."""

    def tell(self, event: Event) -> None:
        """One more event."""
        if event.kind == "end":
            self.stories.pop(event.story, None)
        else:
            self.stories[event.story] = event
        if event.change == "crossed" and event.place and event.direction:
            line = self.crossings.setdefault(event.place, {"forward": 0, "backward": 0})
            line[event.direction] += 1

    def zones(self) -> dict[str, dict[str, int]]:
        """By zone and label, how many objects are in it."""
        counted: dict[str, Counter[str]] = {}
        for event in self.stories.values():
            for zone in event.zones:
                counted.setdefault(zone, Counter())[event.label] += 1
        return {zone: dict(labels) for zone, labels in counted.items()}
