"""Messages on command/<name> -> checked commands, and their answers on command/<name>/result."""

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from edge.feed import reading
from edge.feed.clock import Clock
from edge.feed.log_rate import LogRate
from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient
from edge.feed.payloads import iso
from edge.feed.requests import (
    KINDS,
    Cancel,
    Command,
    Pause,
    Reload,
    Replay,
    Report,
    ResultPayload,
    Resume,
    Snapshot,
    Threshold,
    Thresholds,
)
from edge.text import shown

__all__ = [
    "KINDS", "Asked", "Cancel", "Command", "Commands", "Pause", "Reload", "Replay", "Report",
    "ResultPayload", "Resume", "Snapshot", "Threshold", "Thresholds",
]  # fmt: skip

log = logging.getLogger(__name__)

WAITING = 1000
"""Commands that are not answered yet, at most."""
WAITING_BYTES = 1_048_576
"""What they may take before they are looked at."""
REMEMBERED = 256
"""Answers that are repeated when the same id comes again..."""
REMEMBERED_LENGTH = 4096
"""...unless they are longer, in characters."""
LONGEST_S = 0.003
"""Commands further apart than that are no flood."""
NAME = 40
"""Characters of a command's name in the log and in answers, at most."""


ERROR = 2000
"""Characters of an error, at most."""


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


@dataclass(frozen=True, slots=True)
class _Open:
    """A command that is not answered yet, with the ids of all who asked for it."""

    asked: Asked
    ids: list[str]
    meaning: tuple[str, str]
    """Equal where to carry out the one is to carry out the other."""


class Commands:
    """One device's commands. Received on paho's thread, carried out where `take` is called."""

    def __init__(self, device: str, client: MqttClient, clock: Clock) -> None:
        self._device = device
        self._client = client
        self._clock = clock
        self._log = LogRate(log)
        self._lock = Lock()
        self._new: deque[tuple[str, bytes]] = deque()
        self._new_bytes = 0
        self._waiting: deque[_Open] = deque()
        self._open: dict[tuple[str, str], _Open] = {}
        """By name and id: what is not answered yet."""
        self._unanswered = 0
        self._answers: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._received_s = 0.0
        self.ignored = 0
        """Commands that get no answer, because they were retained."""
        client.listen(f"{ROOT}/{device}/command/+", self._receive)

    def close(self) -> None:
        """The daemon ends, or this connection: what still waits is refused. A reload that makes
        another connection is under way, and is answered there."""
        while (asked := self.take()) is not None:
            asked.refuse("this daemon is ending: send it again")
        for known in list(self._open.values()):
            if isinstance(known.asked.command, Reload):
                continue
            known.asked.refuse("this daemon is ending: send it again")

    def _receive(self, message: Message) -> None:
        name, payload = message.topic.rpartition("/")[2], message.raw
        if message.retain:
            self.ignored += 1
            self._log.warning(
                "command %s: is retained, so it is stale: nothing is done", shown(name, NAME)
            )
            return
        if len(payload) > reading.LARGEST:
            self._turn_away(name, payload, f"is longer than {reading.LARGEST} bytes")
            return
        with self._lock:
            room = self._unanswered < WAITING and self._new_bytes < WAITING_BYTES
            if room:
                self._unanswered += 1
                self._new_bytes += len(payload)
                self._new.append((name, payload))
        if not room:
            self._turn_away(name, payload, f"{WAITING} others wait: send it again later")
        self._give_way()

    def _give_way(self) -> None:
        """A flood of commands takes half of this thread's time at most."""
        took_s = time.monotonic() - self._received_s
        if took_s < LONGEST_S:
            time.sleep(took_s)
        self._received_s = time.monotonic()

    def answer_on(self, client: MqttClient) -> None:
        """A reload made another connection: what is still owed is answered there."""
        self._client = client

    def take(self) -> Asked | None:
        """The next command that is valid; what is not valid is answered here."""
        self._log.flush()
        for _ in range(len(self._new)):
            with self._lock:
                name, payload = self._new.popleft()
                self._new_bytes -= len(payload)
            self._sort_in(name, payload)
        with self._lock:
            return self._waiting.popleft().asked if self._waiting else None

    def _sort_in(self, name: str, payload: bytes) -> None:
        try:
            command = self._checked(name, payload)
        except reading.Refused as error:
            with self._lock:
                self._unanswered -= 1
            self._turn_away(name, payload, str(error))
            return
        with self._lock:
            known = self._answers.get((name, command.id)) if command.id else None
            if known is None:
                self._join(name, command)
            else:
                self._unanswered -= 1
        if known is not None:
            self._client.publish(Message(self._topic(name), known))

    def _checked(self, name: str, payload: bytes) -> Command:
        kind = KINDS.get(name)
        if kind is None:
            raise reading.Refused(f"no such command; there are {', '.join(KINDS)}")
        if kind.switch and not payload.strip():
            raise reading.Refused("an empty payload does nothing: send {} to mean all sources")
        command = reading.command(kind, payload)
        problem = self._expired(command)
        if problem:
            raise reading.Refused(problem)
        return command

    def _join(self, name: str, command: Command) -> None:
        """Under the lock: with the same id, or with an equal one that waits, else at the end."""
        same = self._open.get((name, command.id)) if command.id else None
        meaning = name, command.model_dump_json(exclude={"id", "expires"})
        if same is None:
            near = self._waiting if command.together else list(self._waiting)[-1:]
            same = next((one for one in near if one.meaning == meaning), None)
        if same is None:
            ids: list[str] = []
            same = _Open(Asked(command, partial(self._conclude, name, ids)), ids, meaning)
            self._waiting.append(same)
        same.ids.append(command.id)
        if command.id:
            self._open[name, command.id] = same

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

    def _turn_away(self, name: str, payload: bytes, error: str) -> None:
        """Answer what is not carried out; with the same id it may be sent again."""
        number = reading.found_id(payload)
        self._publish(name, number, self._result(name, error))

    def _conclude(self, name: str, ids: list[str], error: str, **found: Any) -> None:
        """Answer everybody who asked; called again, there is nobody left."""
        with self._lock:
            answered = ids.copy()
            ids.clear()
            self._unanswered -= len(answered)
            for number in answered:
                self._open.pop((name, number), None)
        if not answered:
            return
        result = self._result(name, error, **found)
        for number in answered:
            text = self._publish(name, number, result)
            if number and len(text) <= REMEMBERED_LENGTH:
                self._remember((name, number), text)

    def _remember(self, key: tuple[str, str], text: str) -> None:
        with self._lock:
            self._answers[key] = text
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)

    def _result(self, name: str, error: str, **found: Any) -> ResultPayload:
        return ResultPayload(
            device=self._device, command=shown(name, NAME), id="", ok=not error,
            error=shown(error, ERROR),
            time=iso(self._clock.read().unix_s), **found,
        )  # fmt: skip

    def _publish(self, name: str, number: str, result: ResultPayload) -> str:
        outcome = shown(result.error, 200) or "done"
        self._log.info("command %s %s: %s", result.command, shown(number, NAME), outcome)
        text = result.model_copy(update={"id": number}).to_json()
        self._client.publish(Message(self._topic(name), text))
        return text

    def _topic(self, name: str) -> str:
        safe = name if name in KINDS else "unknown"
        return f"{ROOT}/{self._device}/command/{safe}/result"
