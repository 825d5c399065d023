"""What a device can be told: the payloads of command/<name>, and of their answers."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from edge.feed.payloads import Iso, Payload, Score, StatusPayload
from edge.text import shown

LAST_SEQ = 2**63 - 1
"""The largest number that the journal can hold."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]


class Command(Payload):
    """What every command may carry; an empty payload is `{}`."""

    schema_: Literal["hedgerow.command/1"] = Field(default="hedgerow.command/1", alias="schema")
    id: str = Field(default="", max_length=64)
    """Comes back in the answer; a command with the same id is carried out once."""
    expires: datetime | None = None
    """ISO 8601 with a time zone: after it the command does nothing."""

    switch: ClassVar[bool] = False
    """Whether an empty payload does nothing: it is what clears a retained command."""
    together: ClassVar[bool] = False
    """Whether it may be carried out with an equal one before it, whatever stands between them."""

    @field_validator("id")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if shown(text) != text:
            raise ValueError("expected text without line breaks or control characters")
        return text


class Pause(Command):
    """`command/pause`: close the camera until it is resumed."""

    switch = True

    source: Name | None = None
    """None: all sources."""
    paused: bool = True
    """False resumes: one topic for a switch."""


class Resume(Command):
    """`command/resume`: open the camera again."""

    switch = True

    source: Name | None = None


class Threshold(Command):
    """`command/threshold`: the score from which a label counts, until the next start."""

    source: Name | None = None
    label: str
    enter: Annotated[float, Field(ge=0, le=1)]
    leave: Annotated[float, Field(ge=0, le=1)] | None = None
    """None: 0.75 * enter, for a detector 0.5 * enter, as at the start."""


class Snapshot(Command):
    """`command/snapshot`: the next frame as JPEG on <source>/snapshot."""

    together = True

    source: Name


class Reload(Command):
    """`command/reload`: read edge.toml again; refused, with the reason, where it is wrong."""

    together = True


class Report(Command):
    """`command/report`: everything the daemon knows of itself, in the answer."""

    together = True


class Replay(Command):
    """`command/replay`: events from that seq on once more, marked as replayed."""

    from_seq: Annotated[int, Field(ge=1, le=LAST_SEQ)]
    to_seq: Annotated[int, Field(ge=-LAST_SEQ, le=LAST_SEQ)] | None = None
    reader: Name | None = None
    """Who asks: the events come on command/replay/to/<reader>, where nobody else reads. None: on
    <source>/event, for everybody."""


class Cancel(Command):
    """`command/cancel`: call off the replays that are not sent yet."""


KINDS: dict[str, type[Command]] = {
    "pause": Pause,
    "resume": Resume,
    "threshold": Threshold,
    "snapshot": Snapshot,
    "reload": Reload,
    "report": Report,
    "replay": Replay,
    "cancel": Cancel,
}


class Thresholds(Payload):
    """Of one label."""

    enter: Score
    leave: Score


class ResultPayload(Payload):
    """`command/<name>/result`: what became of a command."""

    schema_: Literal["hedgerow.result/1"] = Field(default="hedgerow.result/1", alias="schema")
    device: str
    command: str
    id: str
    """The command's."""
    ok: bool
    error: str
    """Why not; empty where it was carried out."""
    events: int | None = None
    """replay: how many events come; cancel: how many do not come any more."""
    snapshot: str | None = None
    """snapshot: the topic it was published on."""
    status: StatusPayload | None = None
    """report."""
    thresholds: dict[str, dict[str, Thresholds]] | None = None
    """report: by source and label."""
    time: Iso
