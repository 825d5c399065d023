"""The feed's payloads: each a JSON object that names its schema."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from edge.types import Box, Detection, Event, Observation

Score = Annotated[float, PlainSerializer(lambda score: round(score, 4))]
Seconds = Annotated[float, PlainSerializer(lambda seconds: round(seconds, 3))]


class Payload(BaseModel):
    """What every payload has in common: values that do not change, keys that are all known."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def to_json(self) -> str:
        """One line of JSON."""
        return self.model_dump_json(by_alias=True)


class ModelRef(Payload):
    """Which model gave a label, and what it ran on."""

    name: str
    version: str
    sha256: str
    """Of the flatbuffer."""
    delegate: str


class Clock(Payload):
    """How far `time` can be trusted."""

    synced: bool
    virtual: bool
    """A recording: time counts from its first frame, 1970-01-01T00:00:00Z."""


class EventPayload(Payload):
    """`<source>/event`: one moment of a story."""

    schema_: Literal["hedgerow.event/1"] = Field(default="hedgerow.event/1", alias="schema")
    event_type: Literal["start", "update", "end"]
    id: str
    """The same for the start, the updates and the end of one story: device-boot-number."""
    seq: int
    """Counts the events of one boot_id; order by it, not by time."""
    boot_id: str
    device: str
    source: str
    label: str
    score: Score
    box: Box | None
    track: int | None
    zones: tuple[str, ...]
    time: str
    clock: Clock
    started: str
    duration_s: Seconds
    frames_seen: int
    frames_agreeing: int
    model: ModelRef
    replayed: bool


class Held(Payload):
    """A label that holds now."""

    label: str
    score: Score
    since: str


class StatePayload(Payload):
    """`<source>/state`, retained: what holds now; label null when nothing does."""

    schema_: Literal["hedgerow.state/1"] = Field(default="hedgerow.state/1", alias="schema")
    device: str
    source: str
    label: str | None
    score: Score | None
    since: str | None
    labels: tuple[Held, ...]
    """All that hold, the latest first; `label`, `score` and `since` are the first of them."""
    time: str


class Scored(Payload):
    """One label of an observation."""

    label: str
    score: Score
    box: Box | None


class ObservationPayload(Payload):
    """`<source>/observation`: what one inference said."""

    schema_: Literal["hedgerow.observation/1"] = Field(
        default="hedgerow.observation/1", alias="schema"
    )
    device: str
    source: str
    label: str
    score: Score
    detections: tuple[Scored, ...]
    time: str
    latency_ms: Seconds
    dropped: int
    origin: str | None
    """The picture's or the video's name."""


class SourceStatus(Payload):
    """How one source is doing."""

    state: Literal["online", "offline"]
    reason: str
    """Why it is offline; empty while it is online."""
    live: bool
    frames: int
    fps: Seconds
    dropped: int
    skipped: int
    events: int
    latency_ms_p50: Seconds
    latency_ms_p95: Seconds


class DelegateStatus(Payload):
    """What was asked for, what runs, and why not the others."""

    asked: tuple[str, ...]
    loaded: str
    refused: dict[str, str]


class StatusPayload(Payload):
    """`status`, retained: the daemon itself."""

    schema_: Literal["hedgerow.status/1"] = Field(default="hedgerow.status/1", alias="schema")
    device: str
    version: str
    boot_id: str
    uptime_s: Seconds
    model: ModelRef
    delegates: DelegateStatus
    sources: dict[str, SourceStatus]
    outbox_depth: int
    """Messages that the broker has not acknowledged yet."""
    dropped_messages: int
    temperature_c: float | None
    time: str


def iso(unix_s: float) -> str:
    """Seconds since 1970 -> ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def scored(detection: Detection) -> Scored:
    """A detection as the feed shows it."""
    return Scored(label=detection.label, score=detection.score, box=detection.box)


def observation(device: str, source: str, seen: Observation) -> ObservationPayload:
    """An observation as the feed shows it."""
    top = seen.detections[0] if seen.detections else Detection("none", 0.0)
    return ObservationPayload(
        device=device,
        source=source,
        label=top.label,
        score=top.score,
        detections=tuple(scored(detection) for detection in seen.detections),
        time=iso(seen.unix_s),
        latency_ms=seen.latency_s * 1000,
        dropped=seen.dropped,
        origin=seen.origin or None,
    )


def state(device: str, source: str, holding: dict[str, Event], unix_s: float) -> StatePayload:
    """The stories that are open, by label, as the feed shows them."""
    latest = sorted(holding.values(), key=lambda event: event.started_unix_s, reverse=True)
    held = tuple(
        Held(label=event.label, score=event.score, since=iso(event.started_unix_s))
        for event in latest
    )
    first = held[0] if held else None
    return StatePayload(
        device=device,
        source=source,
        label=first.label if first else None,
        score=first.score if first else None,
        since=first.since if first else None,
        labels=held,
        time=iso(unix_s),
    )
