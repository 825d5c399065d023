"""The feed's payloads: each a JSON object that names its schema."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from edge.feed.holding import Holding
from edge.types import Box, Detection, Observation, ViewState

Iso = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601, UTC, milliseconds."""
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
    corrected: bool = False
    """Told before the clock was set, with the time put right since."""


class EventPayload(Payload):
    """`<source>/event`: one moment of a story."""

    schema_: Literal["hedgerow.event/1"] = Field(default="hedgerow.event/1", alias="schema")
    event_type: Literal["start", "update", "end"]
    id: str
    """The same for the start, the updates and the end of one story: device-boot-number."""
    seq: int
    """Counts this device's events over restarts and reboots; order by it, not by time."""
    boot_id: str
    """One run of the daemon."""
    device: str
    source: str
    label: str
    score: Score
    box: Box | None
    track: int | None
    """The object's number on its source; null for a whole-frame label."""
    change: str | None = None
    """Why it is told, for an object: appeared, goes_on, entered, left, stayed, crossed, gone. For
    every story: lost, an end that a later run tells for one that was killed."""
    place: str | None = None
    """The zone or line that was entered, left, stayed in or crossed."""
    direction: Literal["forward", "backward"] | None = None
    """Of a crossing: forward is from the left to the right of who walks the line to its end."""
    zones: tuple[str, ...]
    dwell_s: dict[str, Seconds] = {}
    """By zone, how long the object has been in it."""
    view: ViewState | None = None
    """Whether the camera could see: anything but ok, and labels mean little; null: not watched."""
    time: Iso
    clock: Clock
    started: Iso
    duration_s: Seconds
    frames_seen: int
    frames_agreeing: int
    model: ModelRef
    replayed: bool
    """Not sent when it happened: it waited for the broker, or somebody asked for it again."""


class Held(Payload):
    """A label that holds now."""

    label: str
    score: Score
    since: Iso


class StatePayload(Payload):
    """`<source>/state`, retained: what holds now; label null when nothing does."""

    schema_: Literal["hedgerow.state/1"] = Field(default="hedgerow.state/1", alias="schema")
    device: str
    source: str
    label: str | None
    score: Score | None
    since: Iso | None
    labels: tuple[Held, ...]
    """All that hold, the latest first; `label`, `score` and `since` are the first of them."""
    counts: dict[str, int] = {}
    """By label, how many hold now."""
    zones: dict[str, dict[str, int]] = {}
    """By zone and label, how many objects are in it now."""
    lines: dict[str, dict[str, int]] = {}
    """By line and direction, how many crossed it since the daemon started."""
    view: ViewState | None = None
    """Whether the camera can see: while it is not ok, no label does not mean that nothing is there;
    null: not watched."""
    view_since: Iso | None = None
    """Since when."""
    time: Iso


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
    time: Iso
    latency_ms: Seconds
    dropped: int
    view: ViewState | None = None
    """Whether the camera could see; null: not watched."""
    origin: str | None
    """The picture's or the video's name."""


class SourceStatus(Payload):
    """How one source is doing."""

    state: Literal["online", "paused", "offline"]
    reason: str
    """Why it is offline; else empty."""
    live: bool
    frames: int
    fps: Seconds
    dropped: int
    skipped: int
    events: int
    quiet: int = 0
    """Frames in which nothing moved, and which were not inferred."""
    view: ViewState | None = None
    """Whether the camera can see; null while it is offline, and where nobody watches."""
    asleep: bool = False
    """Closed by its schedule."""
    asleep_until: Iso | None = None
    """When its schedule opens it again; null while it is awake, or where none knows."""
    latency_ms_p50: Seconds
    latency_ms_p95: Seconds


class DelegateStatus(Payload):
    """What was asked for, what runs, and why not the others."""

    asked: tuple[str, ...]
    loaded: str
    refused: dict[str, str]


class OutboxStatus(Payload):
    """The events on their way to the broker."""

    depth: int
    """Events that the broker has not acknowledged yet."""
    bytes: int
    """What the journal holds, delivered events included."""
    last_seq: int
    dropped: int
    """Events that nobody received, given up because they were too many or too old."""
    refused: int
    """Events that the broker would not take."""
    durable: bool
    """Whether events survive a power cut now."""
    reason: str
    """Why not; else empty."""
    memory_since: Iso | None = None
    """Since when events are only in memory; null while they are durable."""
    memory_from_seq: int | None = None
    """The first event that is only in memory; null where there is none."""
    memory_to_seq: int | None = None
    """The last one."""


class FileStatus(Payload):
    """How the file of `[file]` is doing."""

    lost: int
    """Lines that could not be written since the daemon started."""
    reason: str
    """Why lines are lost now; else empty."""


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
    outbox: OutboxStatus | None
    """None where nothing goes to a broker."""
    file: FileStatus | None = None
    """None where no file is written."""
    dropped_messages: int
    """Observations, snapshots and answers for which no broker was there, or no room."""
    ignored_commands: int = 0
    """Retained commands: they are stale, and get no answer."""
    denied: tuple[str, ...] = ()
    """Topics that the broker does not let this device publish on or read."""
    clock_synced: bool
    temperature_c: float | None
    frame_share: float = 1.0
    """Below 1: the device is hot, and only this share of the frames is looked at."""
    throttled: tuple[str, ...] = ()
    """What the firmware says holds now: under_voltage, frequency_capped, throttled, soft_limit."""
    time: Iso


def iso(unix_s: float) -> str:
    """Seconds since 1970 -> ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told_again(event: str, replayed: bool, shift_s: float) -> str:
    """An event's JSON -> the same, marked as replayed, its times moved by so many seconds.

    The journal may hold events of an older Hedgerow: only what must change is touched.
    """
    told = json.loads(event)
    told["replayed"] = replayed
    if shift_s:
        for key in ("time", "started"):
            told[key] = _shifted(told[key], shift_s)
        told["clock"] = told["clock"] | {"synced": True, "corrected": True}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def ended_later(latest: str, boot_id: str, later_s: float, shift_s: float) -> dict[str, Any]:
    """A story's latest event -> its end, told by a run that only knows how long it went on; its
    `seq` is to be set.

    `later_s`: from that event to the last sign of life; nothing for a recording. Raises
    ValueError, KeyError or TypeError for what is no event.
    """
    told: dict[str, Any] = json.loads(told_again(latest, True, shift_s))
    if told["clock"].get("virtual"):
        later_s = 0.0
    told |= {"event_type": "end", "change": "lost", "place": None, "direction": None}
    told |= {"boot_id": boot_id, "time": _shifted(told["time"], later_s)}
    told["duration_s"] = round(told["duration_s"] + later_s, 3)
    return told


def _shifted(moment: str, by_s: float) -> str:
    return iso(datetime.fromisoformat(moment).timestamp() + by_s)


def scored(detection: Detection) -> Scored:
    """A detection as the feed shows it."""
    return Scored(label=detection.label, score=detection.score, box=detection.box)


def observation(
    device: str, source: str, seen: Observation, view: ViewState | None
) -> ObservationPayload:
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
        view=view,
        origin=seen.origin or None,
    )


def state(device: str, source: str, holding: Holding, unix_s: float) -> StatePayload:
    """The stories that are open as the feed shows them."""
    latest = sorted(holding.stories.values(), key=lambda event: event.started_unix_s, reverse=True)
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
        counts=Counter(event.label for event in latest),
        zones=holding.zones(),
        lines=holding.crossings,
        view=holding.view,
        view_since=iso(holding.view_unix_s) if holding.view else None,
        time=iso(unix_s),
    )
