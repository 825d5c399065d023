"""Home Assistant's core with nothing but MQTT: `python home_assistant_states.py FOLDER PORT`.

Runs under Home Assistant's own Python. Prints, twice a second, one JSON line: every state, and
the entities that the registry holds for MQTT.
"""

import asyncio
import json
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


async def main(folder: Path) -> None:
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
    settings = {"http": {"server_host": "127.0.0.1"}, "mqtt": {}}
    for component in ("http", "mqtt"):
        assert await setup.async_setup_component(hass, component, settings), component
    await hass.async_start()
    while True:
        entities = entity_registry.async_get(hass).entities.values()
        devices = device_registry.async_get(hass).devices.values()
        print(json.dumps({
            "states": {state.entity_id: state.state for state in hass.states.async_all()},
            "entities": sorted(e.entity_id for e in entities if e.platform == "mqtt"),
            "devices": sorted(str(d.name) for d in devices),
        }), flush=True)  # fmt: skip
        await asyncio.sleep(0.5)


asyncio.run(main(Path(sys.argv[1])))
