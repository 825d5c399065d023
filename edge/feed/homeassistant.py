"""What runs here -> Home Assistant's MQTT device discovery: one message, no integration to install.

The keys are Home Assistant's own, spelled out: https://www.home-assistant.io/integrations/mqtt/
"""

import json
import logging
import re
import time
from dataclasses import dataclass
from typing import Any

from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How long after the first connection an earlier announcement is waited for."""
GONE = "{{ value_json.outbox.dropped if value_json.outbox else 0 }}"
DIAGNOSTICS: dict[str, dict[str, str]] = {
    "temperature": {
        "value_template": "{{ value_json.temperature_c }}",
        "device_class": "temperature",
        "unit_of_measurement": "°C",
        "state_class": "measurement",
    },
    "delegate": {"value_template": "{{ value_json.delegates.loaded }}"},
    "model": {"value_template": "{{ value_json.model.name }} {{ value_json.model.version }}"},
    "events waiting": {
        "value_template": "{{ value_json.outbox.depth if value_json.outbox else 0 }}",
        "state_class": "measurement",
    },
    "events dropped": {"value_template": GONE, "state_class": "total_increasing"},
}


@dataclass(frozen=True, slots=True)
class Device:
    """What there is to announce."""

    id: str
    version: str
    """Of Hedgerow."""
    labels: dict[str, tuple[str, ...]]
    """The labels that make events, by source."""
    snapshots: bool
    views: bool = True
    """Whether it is watched if the cameras can see."""


def config(device: Device) -> dict[str, Any]:
    """The payload of homeassistant/device/hedgerow_<device>/config."""
    components: dict[str, Any] = {}
    for name, about in DIAGNOSTICS.items():
        components |= _component(
            device, "sensor", "", name, state_topic=_topic(device, "status"), **about,
            entity_category="diagnostic",
        )  # fmt: skip
    for source, labels in device.labels.items():
        components |= _source(device, source, labels)
    return {
        "device": {
            "identifiers": [f"hedgerow_{device.id}"],
            "name": f"Hedgerow {device.id}",
            "manufacturer": "Hedgerow",
            "model": "int8 CNN on a camera",
            "sw_version": device.version,
        },
        "origin": {"name": "hedgerow", "sw_version": device.version},
        "components": components,
        "qos": 1,
    }


def _source(device: Device, source: str, labels: tuple[str, ...]) -> dict[str, Any]:
    state, status = _topic(device, source, "state"), _topic(device, "status")
    about = f"value_json.sources['{source}']"
    components: dict[str, Any] = {}
    for label in labels:
        held = f"selectattr('label', 'eq', {json.dumps(label)}) | list | count"
        components |= _component(
            device, "binary_sensor", source, label, state_topic=state,
            value_template=f"{{{{ 'ON' if value_json.labels | {held} else 'OFF' }}}}",
        )  # fmt: skip
    components |= _component(
        device, "sensor", source, "state", state_topic=state, json_attributes_topic=state,
        value_template="{{ value_json.label or 'nothing' }}",
    )  # fmt: skip
    components |= _component(
        device, "event", source, "event", state_topic=_topic(device, source, "event"),
        event_types=["start", "update", "end"],
    )  # fmt: skip
    if device.snapshots:
        components |= _component(
            device, "image", source, "snapshot", content_type="image/jpeg",
            image_topic=_topic(device, source, "snapshot"),
        )  # fmt: skip
    components |= _component(
        device, "switch", source, "running", state_topic=status,
        value_template=f"{{{{ 'OFF' if {about}.state == 'paused' else 'ON' }}}}",
        command_topic=_topic(device, "command/pause"),
        payload_on=json.dumps({"source": source, "paused": False}),
        payload_off=json.dumps({"source": source, "paused": True}), state_on="ON",
        state_off="OFF", availability=[_available(device)],
    )  # fmt: skip
    if device.views:
        components |= _component(
            device, "binary_sensor", source, "view problem", state_topic=state,
            value_template="{{ 'OFF' if (value_json.view or 'ok') == 'ok' else 'ON' }}",
            device_class="problem",
        )  # fmt: skip
    view = f"view or {about}.state"
    figures = {"view": (view, None), "fps": ("fps", "1/s"), "latency": ("latency_ms_p95", "ms")}
    for name, (key, unit) in figures.items():
        measured = {"unit_of_measurement": unit, "state_class": "measurement"} if unit else {}
        components |= _component(
            device, "sensor", source, name, state_topic=status, entity_category="diagnostic",
            value_template=f"{{{{ {about}.{key} }}}}", availability=[_available(device)],
            **measured,
        )  # fmt: skip
    return components


def _component(
    device: Device, platform: str, source: str, name: str, **keys: Any
) -> dict[str, dict[str, Any]]:
    """One entity under its key; gone with the device or the source that it speaks of."""
    parts = [_slug(part) for part in (source, name) if part]
    entity = "_".join([_slug(device.id), *parts])
    availability = [_available(device)] + ([_available(device, source)] if source else [])
    return {
        "_".join([*parts, platform]): {
            "platform": platform,
            "name": f"{source} {name}".strip(),
            "unique_id": f"hedgerow_{entity}_{platform}",
            "object_id": entity,  # until Home Assistant 2026.3
            "default_entity_id": f"{platform}.{entity}",
            "availability": availability,
            "availability_mode": "all",
            **keys,
        }
    }


def _available(device: Device, *source: str) -> dict[str, str]:
    return {"topic": _topic(device, *source, "availability")}


def _topic(device: Device, *parts: str) -> str:
    return "/".join((ROOT, device.id, *parts))


def _slug(text: str) -> str:
    """As Home Assistant wants entity ids; two labels that differ only in signs stay apart."""
    slug = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")
    plain = slug == text.lower().replace("-", "_").replace(" ", "_")
    return slug if slug and plain else f"{slug}_{sum(text.encode()) % 997}"


class Announcer:
    """Keeps Home Assistant informed: at start, at its birth, and of what is gone."""

    def __init__(self, device: Device, client: MqttClient, prefix: str) -> None:
        self._client = client
        self._config = config(device)
        self._topic = f"{prefix}/device/hedgerow_{device.id}/config"
        self._since_s: float | None = None
        self._told = False
        client.listen(self._topic, self._earlier)
        client.listen(f"{prefix}/status", self._birth)

    def step(self) -> None:
        """Announce, when the broker has had the time to show an earlier announcement."""
        if self._told or not self._client.connected.is_set():
            return
        self._since_s = self._since_s or time.monotonic()
        if time.monotonic() - self._since_s > PATIENCE_S:
            self._tell()

    def _earlier(self, message: Message) -> None:
        """What an earlier run announced and this one has not: its platform alone removes it."""
        if self._told or not message.retain:
            return
        try:
            components = json.loads(message.text)["components"]
            for name in components.keys() - self._config["components"].keys():
                if len(components[name]) > 1:
                    stub = {"platform": components[name]["platform"]}
                    self._config["components"][name] = stub
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s: is not what this daemon would have said: replaced", self._topic)
        self._tell()

    def _birth(self, message: Message) -> None:
        if message.text == "online" and self._told:
            self._tell()

    def _tell(self) -> None:
        self._told = True
        text = json.dumps(self._config, ensure_ascii=False, separators=(",", ":"))
        self._client.publish(Message(self._topic, text, retain=True))
