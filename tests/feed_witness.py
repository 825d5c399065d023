"""Reads everything that is published on a broker and holds it against the published schemas."""

import json
from collections import Counter
from functools import cache

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from edge.config import MqttConfig
from edge.feed import schemas
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient


@cache
def validator(kind: str) -> Validator:
    schema = schemas.schema(kind)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def problems(message: Message) -> list[str]:
    """What a payload does that its schema does not allow."""
    last = message.topic.rpartition("/")[2]
    if "/command/replay/to/" in message.topic:
        return against_schema("event", message)
    if message.topic.split("/")[2] == "command" and last != "result":
        return []
    match last:
        case "availability":
            right = message.text in ("online", "offline", "")
        case "snapshot":
            right = message.payload[:2] == b"\xff\xd8"
        case "state" | "summary" | "status" if not message.payload:
            right = True  # a source or a device that is gone
        case _:
            return against_schema(last, message)
    return [] if right else [f"is no {last}"]


def against_schema(kind: str, message: Message) -> list[str]:
    if kind not in schemas.PUBLISHED:
        return ["is a topic that the documents do not name"]
    body = json.loads(message.payload)
    if body.get("schema") != f"hedgerow.{kind}/1":
        return [f"names the schema {body.get('schema')!r}"]
    return [error.message for error in validator(kind).iter_errors(body)]


class Witness:
    """On a broker from its start to its stop; `seen` counts payloads by kind."""

    def __init__(self, address: str) -> None:
        self.problems: list[str] = []
        self.seen: Counter[str] = Counter()
        self._config = MqttConfig(broker=address)

    def start(self) -> None:
        self._client = MqttClient(self._config, "")
        self._client.listen("hedgerow/#", self._look)
        self._client.__enter__()
        self._client.connected.wait(5)

    def stop(self) -> None:
        self._client.__exit__()

    def _look(self, message: Message) -> None:
        self.seen[message.topic.rpartition("/")[2]] += 1
        try:
            found = problems(message)
        except ValueError as error:
            found = [str(error)]
        self.problems += [f"{message.topic}: {problem}: {message.text[:300]}" for problem in found]
