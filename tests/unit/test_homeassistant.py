"""The discovery payload against the keys that Home Assistant documents."""

import json
import re
from typing import Any

import pytest

from edge.config import MqttConfig
from edge.feed.homeassistant import Announcer, Device, config
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import REPOSITORY, Mosquitto
from tests.listener import until

EVERY = {
    "platform", "name", "unique_id", "object_id", "default_entity_id", "availability",
    "availability_mode",
}  # fmt: skip
KEYS = {
    "binary_sensor": EVERY | {"state_topic", "value_template", "device_class"},
    "sensor": EVERY
    | {"state_topic", "value_template", "json_attributes_topic", "entity_category"}
    | {"json_attributes_template"}
    | {"device_class", "unit_of_measurement", "state_class"},
    "event": EVERY | {"state_topic", "event_types", "value_template"},
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


def test_ids_are_each_its_own_whatever_labels_are_called() -> None:
    alike = (
        "Person", "person", "late-blight", "late_blight", "late blight", "!a?", "?a!",
        "é", "e\u0301", "🍅", "🥔", "view problem", "state", "x" * 300, "x" * 299 + "y",
    )  # fmt: skip
    device = Device("field", "1.0", {"cam": alike, "cam_late": ("blight",)}, True)
    found = config(device)["components"]
    sensors = [c for c in found.values() if c["platform"] == "binary_sensor"]
    assert len(sensors) == len(alike) + 1 + 2, "a sensor for each label, and two for the view"
    for key in ("unique_id", "default_entity_id"):
        assert len({c[key] for c in found.values()}) == len(found)
    assert {"cam_person_binary_sensor", "cam_late_blight_binary_sensor"} <= set(found)
    again = config(Device("field", "1.0", {"cam": alike[::-1], "cam_late": ("blight",)}, True))
    assert again["components"] == found, "whatever their order"
    assert max(len(c["default_entity_id"]) for c in found.values()) < 255


def test_devices_and_sources_that_join_to_the_same_words_have_ids_of_their_own() -> None:
    devices = (("farm", "north_cam"), ("farm_north", "cam"), ("farm-north", "cam"))
    found = [config(Device(d, "1", {s: ("person",)}, True))["components"] for d, s in devices]
    ids = [{component["unique_id"] for component in one.values()} for one in found]
    assert not ids[0] & ids[1] and not ids[1] & ids[2] and not ids[0] & ids[2]


JINJA_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
"""As its lexer finds and decodes one (jinja2/lexer.py: string_re, wrap)."""
HARD = ("🍅 ripe", "早疫病", 'say "hi"', "back\\slash", "{{x}} %}", "é")


@pytest.mark.parametrize("label", HARD)
def test_the_template_of_a_label_names_it_as_jinja_reads_it(label: str) -> None:
    (sensor,) = (c for c in components(False, label).values() if c["name"] == f"cam {label}")
    found = JINJA_STRING.search(sensor["value_template"])
    assert found is not None
    assert found[1].encode("ascii", "backslashreplace").decode("unicode-escape") == label


def test_a_status_that_does_not_know_a_source_has_a_default_for_it() -> None:
    for component in components().values():
        template = component.get("value_template", "")
        assert template.count("sources['cam'] | default({})).") == template.count("sources")
        assert template.count("| default(none))") == template.count("sources")


def test_a_thousand_labels_are_one_sensor(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    many = tuple(f"label {number}" for number in range(1001))
    found = config(Device("field", "1.0", {"a": many, "b": many}, False))["components"]
    assert len(found) < 30
    assert "source a: 1001 labels make events" in caplog.text
    assert "events.labels chooses up to 100" in caplog.text


def test_what_has_another_id_now_is_removed_before_it_is_announced(mosquitto: Mosquitto) -> None:
    device = Device("field-1", "1.0", {"cam": ("person",)}, False)
    old = config(device)
    for component in old["components"].values():
        component["unique_id"] = "old " + component["unique_id"]
    old["components"]["gone_sensor"] = {"platform": "sensor", "unique_id": "gone"}
    topic, seen = "homeassistant/device/hedgerow_field-1/config", []
    section = MqttConfig(broker=mosquitto.address)
    with MqttClient(section, "a") as client:
        client.publish(Message(topic, json.dumps(old), retain=True))
        until(lambda: client.connected.is_set() and not client.flush(1))
        client.listen(topic, lambda message: seen.append(json.loads(message.text)))
        announcer = Announcer(device, other := MqttClient(section, "b"), "homeassistant")
        with other:
            until(lambda: stepped(announcer) and len(seen) == 3)
    first, last = seen[1]["components"], seen[2]["components"]
    assert all(set(component) == {"platform"} for component in first.values())
    assert last["gone_sensor"] == {"platform": "sensor"}
    assert (
        last["cam_person_binary_sensor"] == config(device)["components"]["cam_person_binary_sensor"]
    )


def stepped(announcer: Announcer) -> bool:
    announcer.step()
    return True


def test_the_sample_on_the_page_is_what_is_announced() -> None:
    page = (REPOSITORY / "docs/feed.md").read_text(encoding="utf-8")
    (sample,) = re.findall(r'```json\n(\{\n "device".*?)```', page, re.DOTALL)
    told = json.loads(sample)
    made = config(Device("yard", told["origin"]["sw_version"], {"gate": ("person",)}, False))
    made["components"] = {name: made["components"][name] for name in told["components"]}
    assert told == made


def test_a_topic_that_is_cleared_leaves_no_line_in_home_assistants_log() -> None:
    """Its templates get "" then, which is no JSON: none may ask it for anything."""
    guarded = ("{{ (", ") if value else none }}")
    for name, component in components().items():
        template = component.get("value_template", guarded[0] + guarded[1])
        if component["platform"] == "event":
            assert template.startswith("{{ value if value_json is defined and not ")
            continue
        assert template.startswith(guarded[0]) and template.endswith(guarded[1]), name
        assert ("json_attributes_topic" in component) == ("json_attributes_template" in component)
    assert components()["cam_state_sensor"]["json_attributes_template"] == "{{ value or '{}' }}"


def test_a_temperature_is_announced_where_there_is_one() -> None:
    for there in (True, False):
        device = Device("field", "1", {"cam": ("person",)}, False, temperature=there)
        assert ("temperature_sensor" in config(device)["components"]) == there


def test_what_is_only_recordings_is_taken_back(mosquitto: Mosquitto) -> None:
    topic, seen = "homeassistant/device/hedgerow_field/config", []
    section = MqttConfig(broker=mosquitto.address)
    camera = Device("field", "1", {"cam": ("person",)}, False)
    with MqttClient(section, "a") as client, MqttClient(section, "b") as other:
        until(lambda: client.connected.is_set() and other.connected.is_set())
        other.listen(topic, lambda message: seen.append(message.text))
        announcer = Announcer(camera, client, "homeassistant")
        until(lambda: stepped(announcer) and seen and "cam_person" in seen[-1])
        announcer.close()
        nothing = Announcer(Device("field", "1", {}, False), client, "homeassistant")
        until(lambda: stepped(nothing) and seen[-1] == "")
        other.publish(Message("homeassistant/status", "online"))
        assert other.flush(5) == 0
        until(lambda: stepped(announcer) and stepped(nothing))
        assert seen[-1] == "", "neither of them speaks at Home Assistant's birth"


def test_an_announcer_that_another_one_follows_is_silent(mosquitto: Mosquitto) -> None:
    """As after a reload that changed the prefix: the old one listens on the old prefix still."""
    seen: list[str] = []
    section = MqttConfig(broker=mosquitto.address)
    with MqttClient(section, "a") as client, MqttClient(section, "b") as other:
        until(lambda: client.connected.is_set() and other.connected.is_set())
        other.listen("old/device/#", lambda message: seen.append(message.text))
        announcer = Announcer(Device("f", "1", {"cam": ("p",)}, False), client, "old")
        until(lambda: stepped(announcer) and len(seen) == 1)
        announcer.close()
        other.publish(Message("old/status", "online"))
        assert other.flush(5) == 0
        assert client.flush(5) == 0
        announcer.step()
    assert len(seen) == 1


def test_an_earlier_announcement_that_comes_late_is_still_looked_at(mosquitto: Mosquitto) -> None:
    """A busy broker may take longer to show it than the announcer waits."""
    device = Device("field", "1", {"cam": ("person",)}, False)
    topic, seen = "homeassistant/device/hedgerow_field/config", []
    with MqttClient(MqttConfig(broker=mosquitto.address), "a") as client:
        announcer = Announcer(device, client, "homeassistant")
        until(lambda: stepped(announcer) and announcer._told)
        assert client.flush(5) == 0
        client.listen(topic, lambda message: seen.append(json.loads(message.text)["components"]))
        until(lambda: len(seen) == 1)
        earlier = json.dumps({"components": {"gone_sensor": {"platform": "sensor", "name": "x"}}})
        announcer._earlier(Message(topic, earlier, retain=True))
        until(lambda: len(seen) == 2)
        assert seen[1] == seen[0] | {"gone_sensor": {"platform": "sensor"}}
        announcer._earlier(Message(topic, json.dumps({"components": seen[1]}), retain=True))
        assert client.flush(5) == 0
    assert len(seen) == 2, "what it said itself is no news"
