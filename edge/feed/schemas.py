"""The payloads' models -> JSON Schemas, and the whole feed as an AsyncAPI 3 document."""

from typing import Any

from pydantic import BaseModel

from edge import __version__
from edge.config import HomeAssistantConfig
from edge.feed import commands, incidence, payloads
from edge.feed.message import ROOT

DRAFT = "https://json-schema.org/draft/2020-12/schema"

PUBLISHED: dict[str, type[payloads.Payload]] = {
    "event": payloads.EventPayload,
    "state": payloads.StatePayload,
    "observation": payloads.ObservationPayload,
    "status": payloads.StatusPayload,
    "summary": incidence.SummaryPayload,
    "result": commands.ResultPayload,
}
"""What the daemon says, by the last part of the topic."""

TOPICS = {
    "status": "{device}/status",
    "event": "{device}/{source}/event",
    "state": "{device}/{source}/state",
    "observation": "{device}/{source}/observation",
    "summary": "{device}/{source}/summary",
}
PLAIN: dict[str, tuple[str, dict[str, Any], str]] = {
    "availability": (
        "{device}/availability",
        {"type": "string", "enum": ["online", "offline"]},
        "text/plain",
    ),
    "sourceAvailability": (
        "{device}/{source}/availability",
        {"type": "string", "enum": ["online", "offline"]},
        "text/plain",
    ),
    "picture": ("{device}/{source}/snapshot", {"type": "string", "format": "binary"}, "image/jpeg"),
}
RETAINED = ("status", "state", "summary", "availability", "sourceAvailability", "discovery")
DISCOVERY = "{prefix}/device/hedgerow_{device}/config"
PARAMETERS = {
    "device": {"description": "The device's id: [a-z0-9_-]+"},
    "source": {"description": "The source's id: the name of its table in edge.toml"},
    "reader": {"description": "Whoever asked for the replay, as it named itself"},
    "prefix": {
        "description": "homeassistant.prefix of edge.toml",
        "default": HomeAssistantConfig().prefix,
    },
}


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of `event`, `result`, `command/pause` and so on.

    Raises KeyError for a kind that there is not.
    """
    name, _, command = kind.partition("/")
    if name == "command":
        made = _schema(commands.KINDS[command], "validation")
    else:
        made = _schema(PUBLISHED[name], "serialization")
    return {"$schema": DRAFT, "$id": f"hedgerow.{kind}/1", **made}


def kinds() -> tuple[str, ...]:
    """All that `schema` knows."""
    return (*PUBLISHED, *(f"command/{name}" for name in commands.KINDS))


def _schema(model: type[BaseModel], mode: Any) -> dict[str, Any]:
    made = model.model_json_schema(mode=mode, by_alias=True)
    if mode == "serialization":
        _as_read(made)
    return made


def _as_read(part: Any) -> None:
    """A reader must take keys that a later version adds: only commands are closed. And it can
    count on `schema`, which pydantic takes for optional because it has a default."""
    if isinstance(part, list):
        for below in part:
            _as_read(below)
    if not isinstance(part, dict):
        return
    if part.get("additionalProperties") is False:
        del part["additionalProperties"]
    if "schema" in part.get("properties", ()):
        part["required"] = ["schema", *part.get("required", ())]
    for below in part.values():
        _as_read(below)


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of a device."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for kind, topic in TOPICS.items():
        messages[kind] = _message(kind, schema(kind), "application/json")
        _add(channels, operations, kind, topic)
    for kind, (topic, payload, content) in PLAIN.items():
        messages[kind] = _message(kind, payload, content)
        _add(channels, operations, kind, topic)
    messages["discovery"] = _message("discovery", {"type": "object"}, "application/json")
    _add(channels, operations, "discovery", DISCOVERY, root="")
    messages["result"] = _message("result", schema("result"), "application/json")
    for name in commands.KINDS:
        messages[name] = _message(name, schema(f"command/{name}"), "application/json")
        _add_command(channels, operations, name)
    _add(channels, operations, "replayed", "{device}/command/replay/to/{reader}", message="event")
    _add(channels, operations, "unknownResult", "{device}/command/unknown/result", message="result")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Hedgerow: a device's feed",
            "version": __version__,
            "description": "Labels of a camera's frames on local MQTT, and the device's commands.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _message(kind: str, payload: dict[str, Any], content: str) -> dict[str, Any]:
    return {"name": kind, "contentType": content, "payload": _embedded(kind, payload)}


def _embedded(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A schema inside the document: its own definitions are found from the document's root."""
    place = f"#/components/messages/{kind}/payload/$defs/"

    def moved(part: Any) -> Any:
        if isinstance(part, list):
            return [moved(below) for below in part]
        if not isinstance(part, dict):
            return part
        return {
            key: place + value.removeprefix("#/$defs/")
            if key == "$ref" and isinstance(value, str)
            else moved(value)
            for key, value in part.items()
            if key not in ("$schema", "$id")
        }

    made: dict[str, Any] = moved(payload)
    return made


def _channel(topic: str, message: str, root: str = f"{ROOT}/") -> dict[str, Any]:
    return {
        "address": f"{root}{topic}",
        "parameters": {name: what for name, what in PARAMETERS.items() if f"{{{name}}}" in topic},
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
    }


def _add(
    channels: dict[str, Any], operations: dict[str, Any], kind: str, topic: str, **other: str
) -> None:
    """`other`: a `message` that is not called as the channel, another `root`."""
    channels[kind] = _channel(topic, **{"message": kind, **other})
    operations[f"send{kind[0].upper()}{kind[1:]}"] = {
        "action": "send",
        "channel": {"$ref": f"#/channels/{kind}"},
        "bindings": {"mqtt": {"qos": int(kind != "observation"), "retain": kind in RETAINED}},
    }


def _add_command(channels: dict[str, Any], operations: dict[str, Any], name: str) -> None:
    channels[name] = _channel(f"{{device}}/command/{name}", name)
    channels[f"{name}Result"] = _channel(f"{{device}}/command/{name}/result", "result")
    operations[f"receive{name.capitalize()}"] = {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{name}"},
        "bindings": {"mqtt": {"qos": 1, "retain": False}},
        "reply": {"channel": {"$ref": f"#/channels/{name}Result"}},
    }
