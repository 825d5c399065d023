"""Messages on command/<name> -> checked commands, and their answers on command/<name>/result."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from queue import Empty, Full, Queue
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from edge.feed.clock import Clock
from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient
from edge.feed.payloads import Iso, Payload, Score, StatusPayload, iso

log = logging.getLogger(__name__)

WAITING = 100
"""Commands that wait to be carried out, at most."""
REMEMBERED = 64
"""Answers that are repeated when the same id comes again."""
LARGEST = 65_536

Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]


class Command(Payload):
    """What every command may carry; an empty payload is `{}`."""

    schema_: Literal["hedgerow.command/1"] = Field(default="hedgerow.command/1", alias="schema")
    id: str = Field(default="", max_length=64)
    """Comes back in the answer; a command with the same id is carried out once."""
    expires: datetime | None = None
    """ISO 8601 with a time zone: after it the command does nothing."""


class Pause(Command):
    """`command/pause`: close the camera until it is resumed."""

    source: Name | None = None
    """None: all sources."""
    paused: bool = True
    """False resumes: one topic for a switch."""


class Resume(Command):
    """`command/resume`: open the camera again."""

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

    source: Name


class Reload(Command):
    """`command/reload`: read edge.toml again; refused, with the reason, where it is wrong."""


class Report(Command):
    """`command/report`: everything the daemon knows of itself, in the answer."""


class Replay(Command):
    """`command/replay`: events from that seq on once more, marked as replayed."""

    from_seq: Annotated[int, Field(ge=1)]
    to_seq: int | None = None


KINDS: dict[str, type[Command]] = {
    "pause": Pause,
    "resume": Resume,
    "threshold": Threshold,
    "snapshot": Snapshot,
    "reload": Reload,
    "report": Report,
    "replay": Replay,
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
    """replay: how many events come."""
    snapshot: str | None = None
    """snapshot: the topic it was published on."""
    status: StatusPayload | None = None
    """report."""
    thresholds: dict[str, dict[str, Thresholds]] | None = None
    """report: by source and label."""
    time: Iso


class Asked:
    """One command, to be answered once."""

    def __init__(self, command: Command, answer: Callable[..., None]) -> None:
        self.command = command
        self._answer = answer

    def done(self, **found: Any) -> None:
        """It was carried out; `found` are fields of ResultPayload."""
        self._answer("", **found)

    def refuse(self, error: str) -> None:
        """It was not."""
        self._answer(error)


class Commands:
    """One device's commands. Received on paho's thread, carried out where `take` is called."""

    def __init__(self, device: str, client: MqttClient, clock: Clock) -> None:
        self._device = device
        self._client = client
        self._clock = clock
        self._queue: Queue[Message] = Queue(WAITING)
        self._answers: OrderedDict[tuple[str, str], str] = OrderedDict()
        client.listen(f"{ROOT}/{device}/command/+", self._receive)

    def _receive(self, message: Message) -> None:
        name = message.topic.rpartition("/")[2]
        if message.retain:
            log.warning("command %s: is retained, so it is stale: nothing is done", name)
            return
        try:
            self._queue.put_nowait(message)
        except Full:
            log.warning("command %s: %d others wait: nothing is done", name, WAITING)

    def take(self) -> Asked | None:
        """The next command that is valid; what is not valid is answered here."""
        while True:
            try:
                message = self._queue.get_nowait()
            except Empty:
                return None
            asked = self._check(message)
            if asked is not None:
                return asked

    def _check(self, message: Message) -> Asked | None:
        name = message.topic.rpartition("/")[2]
        kind = KINDS.get(name)
        if kind is None:
            self._answer(name, "", f"no such command; there are {', '.join(KINDS)}")
            return None
        if len(message.payload) > LARGEST:
            self._answer(name, "", f"is longer than {LARGEST} bytes")
            return None
        try:
            command = kind.model_validate_json(message.text.strip() or "{}")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            self._answer(name, "", f"{key}: {first['msg']}" if key else first["msg"])
            return None
        known = self._answers.get((name, command.id)) if command.id else None
        if known is not None:
            self._client.publish(Message(self._topic(name), known))
            return None
        problem = self._expired(command)
        if problem:
            self._answer(name, command.id, problem)
            return None

        def answer(error: str, **found: Any) -> None:
            self._answer(name, command.id, error, **found)

        return Asked(command, answer)

    def _expired(self, command: Command) -> str:
        """Why a command with an end is not carried out; empty where it is."""
        if command.expires is None:
            return ""
        if command.expires.tzinfo is None:
            return "expires: has no time zone"
        now = self._clock.read()
        if not now.synced:
            return "expires: this device's clock is not set: send it without"
        return "is expired" if command.expires.timestamp() < now.unix_s else ""

    def _answer(self, name: str, number: str, error: str, **found: Any) -> None:
        result = ResultPayload(
            device=self._device, command=name, id=number, ok=not error, error=error,
            time=iso(self._clock.read().unix_s), **found,
        )  # fmt: skip
        log.info("command %s %s: %s", name, number, error or "done")
        text = result.to_json()
        if number:
            self._answers[name, number] = text
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        self._client.publish(Message(self._topic(name), text))

    def _topic(self, name: str) -> str:
        safe = name if name in KINDS else "unknown"
        return f"{ROOT}/{self._device}/command/{safe}/result"
