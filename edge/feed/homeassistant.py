"""What runs here -> Home Assistant's MQTT device discovery: one message, no integration to install.

The keys are Home Assistant's own, spelled out: https://www.home-assistant.io/integrations/mqtt/
"""

import json
import logging
import time
from dataclasses import dataclass
from typing import Any

from edge.feed.entities import Entity, components
from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient

log = logging.getLogger(__name__)

MOST_LABELS = 100
"""Labels of one source that get a sensor each: Home Assistant is slow with thousands."""
LIVE = "{{ value if value_json is defined and not value_json.replayed else '{}' }}"
"""An automation runs when something happens, not when it is told again: {} is no event."""
ATTRIBUTES = "{{ value or '{}' }}"
LONGEST_STATE = 255
"""Characters that Home Assistant takes as a state."""
PATIENCE_S = 1.0
"""How long after the first connection an earlier announcement is waited for."""


def _told(expression: str) -> str:
    """A template. A topic that is cleared says nothing: unknown, and no error in the log."""
    return f"{{{{ ({expression}) if value else none }}}}"


DIAGNOSTICS: dict[str, dict[str, str]] = {
    "temperature": {
        "value_template": _told("value_json.temperature_c"),
        "device_class": "temperature",
        "unit_of_measurement": "°C",
        "state_class": "measurement",
    },
    "delegate": {"value_template": _told("value_json.delegates.loaded")},
    "model": {"value_template": _told("value_json.model.name ~ ' ' ~ value_json.model.version")},
    "events waiting": {
        "value_template": _told("value_json.outbox.depth if value_json.outbox else 0"),
        "state_class": "measurement",
    },
    "events dropped": {
        "value_template": _told("value_json.outbox.dropped if value_json.outbox else 0"),
        "state_class": "total_increasing",
    },
}


@dataclass(frozen=True, slots=True)
class Device:
    """What there is to announce."""

    id: str
    version: str
    """Of Hedgerow."""
    labels: dict[str, tuple[str, ...]]
    """The labels that make events, by camera: a recording is over before anybody looks."""
    snapshots: bool
    views: bool = True
    """Whether it is watched if the cameras can see."""
    temperature: bool = True
    """Whether the kernel tells one."""


def config(device: Device) -> dict[str, Any]:
    """The payload of homeassistant/device/hedgerow_<device>/config."""
    entities = [
        _diagnostic(device, name, about)
        for name, about in DIAGNOSTICS.items()
        if device.temperature or name != "temperature"
    ]
    for source, labels in device.labels.items():
        entities += _source(device, source, labels)
    return {
        "device": {
            "identifiers": [f"hedgerow_{device.id}"],
            "name": f"Hedgerow {device.id}",
            "manufacturer": "Hedgerow",
            "model": "int8 CNN on a camera",
            "sw_version": device.version,
        },
        "origin": {"name": "hedgerow", "sw_version": device.version},
        "components": components(device.id, entities),
        "qos": 1,
    }


def _diagnostic(device: Device, name: str, about: dict[str, str]) -> Entity:
    keys = {"state_topic": _topic(device, "status"), "entity_category": "diagnostic"}
    return Entity("sensor", "", name, _available(device) | keys | about)


def _source(device: Device, source: str, labels: tuple[str, ...]) -> list[Entity]:
    """All of one camera; they are unavailable when it is, but for what the daemon knows of it."""
    here = _available(device, source)

    def entity(platform: str, name: str, **keys: Any) -> Entity:
        return Entity(platform, source, name, here | keys)

    state = _topic(device, source, "state")
    made = [
        Entity(
            "binary_sensor", source, label,
            here | {"state_topic": state, "value_template": _holds(label)}, is_label=True,
        )
        for label in _shown_labels(source, labels)
    ]  # fmt: skip
    made += [
        entity(
            "sensor", "state", state_topic=state, json_attributes_topic=state,
            json_attributes_template=ATTRIBUTES,
            value_template=_told(f"(value_json.label or 'nothing')[:{LONGEST_STATE}]"),
        ),
        entity(
            "event", "event", state_topic=_topic(device, source, "event"),
            event_types=["start", "update", "end"], value_template=LIVE,
        ),
    ]  # fmt: skip
    if device.snapshots:
        topic = _topic(device, source, "snapshot")
        made.append(entity("image", "snapshot", content_type="image/jpeg", image_topic=topic))
    if device.views:
        template = _told("'OFF' if (value_json.view or 'ok') == 'ok' else 'ON'")
        made.append(
            entity(
                "binary_sensor", "view problem", state_topic=state, value_template=template,
                device_class="problem",
            )
        )  # fmt: skip
    return [*made, _switch(device, source), *_figures(device, source)]


def _shown_labels(source: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) <= MOST_LABELS:
        return labels
    log.info(
        "homeassistant: source %s: %d labels make events: none gets a sensor of its own, the "
        "state names them; events.labels chooses up to %d", source, len(labels), MOST_LABELS,
    )  # fmt: skip
    return ()


def _holds(label: str) -> str:
    """Jinja reads escapes as Python does, which knows no pairs of surrogates: none is written."""
    quoted = json.dumps(label, ensure_ascii=False)
    held = f"selectattr('label', 'eq', {quoted}) | list | count"
    return _told(f"'ON' if value_json.labels | {held} else 'OFF'")


def _switch(device: Device, source: str) -> Entity:
    keys = {
        "state_topic": _topic(device, "status"),
        "value_template": _told(f"'OFF' if {_figure(source, 'state')} == 'paused' else 'ON'"),
        "command_topic": _topic(device, "command/pause"),
        "payload_on": json.dumps({"source": source, "paused": False}),
        "payload_off": json.dumps({"source": source, "paused": True}),
        "state_on": "ON",
        "state_off": "OFF",
    }
    return Entity("switch", source, "running", _available(device) | keys)


def _figures(device: Device, source: str) -> list[Entity]:
    view = f"{_figure(source, 'view')} or {_figure(source, 'state')}"
    figures: dict[str, tuple[str, str | None]] = {
        "view": (view, None),
        "fps": (_figure(source, "fps"), "1/s"),
        "latency": (_figure(source, "latency_ms_p95"), "ms"),
    }
    made = []
    for name, (value, unit) in figures.items():
        measured = {"unit_of_measurement": unit, "state_class": "measurement"} if unit else {}
        keys = {
            "state_topic": _topic(device, "status"),
            "entity_category": "diagnostic",
            "value_template": _told(value),
        }
        made.append(Entity("sensor", source, name, _available(device) | keys | measured))
    return made


def _figure(source: str, key: str) -> str:
    """None where the status does not speak of that source, as before a reload is through."""
    return f"((value_json.sources['{source}'] | default({{}})).{key} | default(none))"


def _available(device: Device, source: str = "") -> dict[str, Any]:
    """An entity is there as long as the device is, and the source that it speaks of."""
    topics = [_topic(device, "availability")]
    topics += [_topic(device, source, "availability")] if source else []
    return {"availability": [{"topic": topic} for topic in topics], "availability_mode": "all"}


def _topic(device: Device, *parts: str) -> str:
    return "/".join((ROOT, device.id, *parts))


class Announcer:
    """Keeps Home Assistant informed: at start, at its birth, and of what is gone."""

    def __init__(self, device: Device, client: MqttClient, prefix: str) -> None:
        """Without a camera there is nothing to announce, and what was is taken back."""
        self._client = client
        self._config = config(device) if device.labels else None
        self._topic = f"{prefix}/device/hedgerow_{device.id}/config"
        self._since_s: float | None = None
        self._told = False
        client.listen(self._topic, self._earlier)
        client.listen(f"{prefix}/status", self._birth)

    def step(self) -> None:
        """Announce, when the broker has had the time to show an earlier announcement."""
        if self._told or not (self._config and self._client.connected.is_set()):
            return
        self._since_s = self._since_s or time.monotonic()
        if time.monotonic() - self._since_s > PATIENCE_S:
            self._tell()

    def _earlier(self, message: Message) -> None:
        """What an earlier run announced and this one has not: its platform alone removes it."""
        if not (message.retain and message.payload):
            return
        if self._config is None:
            self._client.publish(Message(self._topic, "", retain=True))
            return
        told, self._told = self._told, True
        try:
            earlier = json.loads(message.text)["components"]
            now = self._config["components"]
            gone = _stubs(earlier, [n for n in earlier if n not in now and len(earlier[n]) > 1])
            renamed = _stubs(earlier, [n for n in earlier if _renamed(earlier[n], now.get(n))])
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s: is not what this daemon would have said: replaced", self._topic)
        else:
            if told and not (gone or renamed):
                return  # our own, as the broker shows it on a new connection
            now |= gone
            if renamed:  # Home Assistant gives a known entity no other id: it has to go first
                self._publish(self._config | {"components": now | renamed})
        self._tell()

    def _birth(self, message: Message) -> None:
        if message.text == "online" and self._told:
            self._tell()

    def close(self) -> None:
        """Another announcer speaks from now on."""
        self._told = False
        self._config = None

    def _tell(self) -> None:
        self._told = True
        if self._config is not None:
            self._publish(self._config)

    def _publish(self, config: dict[str, Any]) -> None:
        text = json.dumps(config, ensure_ascii=False, separators=(",", ":"))
        self._client.publish(Message(self._topic, text, retain=True))


def _stubs(earlier: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """A component's platform alone removes it."""
    return {name: {"platform": earlier[name]["platform"]} for name in names}


def _renamed(earlier: dict[str, Any], now: dict[str, Any] | None) -> bool:
    return bool(now) and len(earlier) > 1 and earlier["unique_id"] != (now or {}).get("unique_id")
