"""A day's tally -> the payload of `<source>/summary`."""

from typing import Literal

from pydantic import Field

from edge.feed.payloads import Iso, ModelRef, Payload, Score
from edge.summary import Day, wilson


class Incidence(Payload):
    """One label's share of a day's sampled frames, with a 95 % interval (Wilson)."""

    frames: int
    share: Score
    low: Score
    high: Score


class SummaryPayload(Payload):
    """`<source>/summary`, retained: what a day's frames showed."""

    schema_: Literal["hedgerow.summary/1"] = Field(default="hedgerow.summary/1", alias="schema")
    device: str
    source: str
    date: str
    """The day in the device's local time."""
    since: Iso
    """Its first frame; later than midnight after a restart."""
    complete: bool
    """Whether the day, or the recording, is over."""
    frames: int
    """Sampled."""
    labels: dict[str, Incidence]
    model: ModelRef
    time: Iso


def shares(day: Day) -> dict[str, Incidence]:
    """By label, its share of the day's sampled frames."""
    made = {}
    for label, frames in day.counts.items():
        low, high = wilson(frames, day.frames)
        share = frames / day.frames if day.frames else 0.0
        made[label] = Incidence(frames=frames, share=share, low=low, high=high)
    return made
