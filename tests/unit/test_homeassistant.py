"""The discovery payload against the keys that Home Assistant documents."""

from typing import Any

from edge.feed.homeassistant import Device, config

EVERY = {
    "platform", "name", "unique_id", "object_id", "default_entity_id", "availability",
    "availability_mode",
}  # fmt: skip
KEYS = {
    "binary_sensor": EVERY | {"state_topic", "value_template", "device_class"},
    "sensor": EVERY
    | {"state_topic", "value_template", "json_attributes_topic", "entity_category"}
    | {"device_class", "unit_of_measurement", "state_class"},
    "event": EVERY | {"state_topic", "event_types"},
    "image": EVERY | {"image_topic", "content_type"},
    "switch": EVERY
    | {"state_topic", "value_template", "command_topic", "payload_on", "payload_off"}
    | {"state_on", "state_off"},
}
"""https://www.home-assistant.io/integrations/<platform>.mqtt/, what is used of it."""
NEEDED = {
    "binary_sensor": {"state_topic"},
    "sensor": {"state_topic"},
    "event": {"state_topic", "event_types"},
    "image": {"image_topic"},
    "switch": {"command_topic"},
}


def components(snapshots: bool = True, *labels: str) -> dict[str, dict[str, Any]]:
    device = Device("field-1", "1.0", {"cam": labels or ("person", "early blight")}, snapshots)
    found: dict[str, dict[str, Any]] = config(device)["components"]
    return found


def test_every_key_is_documented_and_every_needed_one_is_there() -> None:
    payload = config(Device("field-1", "1.0", {"cam": ("person",), "yard": ("person",)}, True))
    assert set(payload) == {"device", "origin", "components", "qos"}
    assert payload["origin"]["name"]
    assert set(payload["device"]) <= {
        "identifiers", "name", "manufacturer", "model", "sw_version",
    }  # fmt: skip
    for name, component in payload["components"].items():
        platform = component["platform"]
        assert set(component) <= KEYS[platform], name
        assert NEEDED[platform] <= set(component), name
        assert component["default_entity_id"] == f"{platform}.{component['object_id']}"
    unique = [c["unique_id"] for c in payload["components"].values()]
    assert len(set(unique)) == len(unique)
    entities = [c["default_entity_id"] for c in payload["components"].values()]
    assert len(set(entities)) == len(entities)


def test_a_source_has_all_its_entities() -> None:
    found = components()
    assert {
        "cam_person_binary_sensor", "cam_early_blight_binary_sensor", "cam_state_sensor",
        "cam_event_event", "cam_snapshot_image", "cam_running_switch", "cam_view_sensor",
        "cam_view_problem_binary_sensor",
    } <= set(found)  # fmt: skip
    assert "cam_snapshot_image" not in components(False)
    assert [a["topic"] for a in found["cam_state_sensor"]["availability"]] == [
        "hedgerow/field-1/availability",
        "hedgerow/field-1/cam/availability",
    ]
    assert [a["topic"] for a in found["cam_running_switch"]["availability"]] == [
        "hedgerow/field-1/availability"
    ], "a source that is paused must be able to go on"


def test_labels_that_differ_only_in_signs_stay_apart() -> None:
    names = ("Tomato___Late_blight", "Tomato Late blight", "late-blight", "早疫病", "晚疫病")
    found = components(False, *names)
    found = {key: c for key, c in found.items() if c.get("device_class") != "problem"}
    assert sum(c["platform"] == "binary_sensor" for c in found.values()) == len(names)
