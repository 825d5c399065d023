"""Home Assistant's core, nothing but MQTT: `python home_assistant_states.py FOLDER PORT [HTTP]`.

Runs under Home Assistant's own Python. Prints, twice a second, one JSON line: every state, the
entities that the registry holds for MQTT, and how often an automation ran for an event: in `runs`
by its trigger, with those that had seen their event before under `again`. What Home Assistant logs
(warnings and worse) comes in lines that begin with `LOG `.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from homeassistant import auth, bootstrap, config_entries, core, loader, setup
from homeassistant.components.mqtt.config_flow import FlowHandler
from homeassistant.helpers import device_registry, entity_registry

ENTRY: dict[str, Any] = {
    "created_at": "2026-01-01T00:00:00+00:00",
    "modified_at": "2026-01-01T00:00:00+00:00",
    "data": {"broker": "127.0.0.1", "port": int(sys.argv[2]), "discovery": True},
    "disabled_by": None,
    "discovery_keys": {},
    "domain": "mqtt",
    "entry_id": "01JHEDGEROW0000000000000000",
    "minor_version": FlowHandler.MINOR_VERSION,
    "options": {},
    "pref_disable_new_entities": False,
    "pref_disable_polling": False,
    "source": "user",
    "subentries": [],
    "title": "mosquitto",
    "unique_id": None,
    "version": FlowHandler.VERSION,
}
AUTOMATION = {
    "alias": "any event",
    "mode": "parallel",
    "max": 1000,
    "trigger": [{"platform": "mqtt", "topic": "hedgerow/+/+/event"}],
    "action": [
        {
            "event": "ran",
            "event_data_template": {
                "number": "{{ trigger.payload_json.boot_id }}-{{ trigger.payload_json.seq }}",
            },
        }
    ],
}
"""What people write who do not know of the event entity."""


class Runs:
    """How often something was set off."""

    def __init__(self, hass: core.HomeAssistant) -> None:
        self.counts = {"mqtt": 0, "again": 0, "entity": 0}
        self._numbers: set[str] = set()
        self._last: dict[str, str] = {}
        hass.bus.async_listen("ran", self._ran)
        hass.bus.async_listen("state_changed", self._changed)

    @core.callback  # type: ignore[untyped-decorator]
    def _ran(self, event: Any) -> None:
        number = str(event.data["number"])
        self.counts["again" if number in self._numbers else "mqtt"] += 1
        self._numbers.add(number)

    @core.callback  # type: ignore[untyped-decorator]
    def _changed(self, event: Any) -> None:
        """An event entity's state is the time of its last event."""
        entity, new = event.data["entity_id"], event.data["new_state"]
        known = new is None or new.state in ("unknown", "unavailable", self._last.get(entity))
        if entity.startswith("event.") and not known:
            self._last[entity] = new.state
            self.counts["entity"] += 1


async def main(folder: Path) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("LOG %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    storage = folder / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    (folder / "configuration.yaml").touch()
    entries = {
        "version": 1,
        "minor_version": 5,
        "key": "core.config_entries",
        "data": {"entries": [ENTRY]},
    }
    (storage / "core.config_entries").write_text(json.dumps(entries))
    hass = core.HomeAssistant(str(folder))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    settings = {
        "http": {"server_host": "127.0.0.1", "server_port": int((*sys.argv, "8123")[3])},
        "mqtt": {},
        "automation": [AUTOMATION],
    }
    runs = Runs(hass)
    for component in ("http", "mqtt", "automation"):
        assert await setup.async_setup_component(hass, component, settings), component
    await hass.async_start()
    while True:
        entities = entity_registry.async_get(hass).entities.values()
        mqtt = [entity for entity in entities if entity.platform == "mqtt"]
        devices = device_registry.async_get(hass).devices.values()
        print(json.dumps({
            "states": {state.entity_id: state.state for state in hass.states.async_all()},
            "entities": sorted(entity.entity_id for entity in mqtt),
            "ids": sorted(entity.unique_id for entity in mqtt),
            "runs": runs.counts,
            "devices": sorted(str(d.name) for d in devices),
        }), flush=True)  # fmt: skip
        await asyncio.sleep(0.5)


asyncio.run(main(Path(sys.argv[1])))
