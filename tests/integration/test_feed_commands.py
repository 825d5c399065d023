"""Commands to a running daemon, as a person with mosquitto_pub or Home Assistant gives them."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import Mosquitto, edge_command

CONFIG = """
device = "field"
[model]
path = "{model}"
[mqtt]
broker = "{broker}"
[feed]
snapshots = true
[source.cam]
uri = "demo:?fps=30"
"""
TOPIC = "hedgerow/field/command"


class Field:
    """A daemon on the demo camera, and somebody who talks to it."""

    def __init__(self, folder: Path, broker: Mosquitto, model: Path) -> None:
        self.config = folder / "edge.toml"
        self.config.write_text(CONFIG.format(model=model, broker=broker.address))
        self.seen: list[Message] = []
        self.client = MqttClient(MqttConfig(broker=broker.address), "")
        for topics in ("hedgerow/#", "homeassistant/device/#"):
            self.client.listen(topics, self.seen.append)
        self._broker = broker
        self._daemon: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._daemon = subprocess.Popen(
            edge_command("run", "--config", self.config), stderr=subprocess.PIPE, text=True
        )
        self.wait("hedgerow/field/cam/availability", lambda text: text == "online")

    def stop(self) -> str:
        assert self._daemon is not None
        self._daemon.terminate()
        return self._daemon.communicate(timeout=10)[1]

    def kill(self) -> None:
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.communicate()

    def wait(self, topic: str, fits: Callable[[str], bool], timeout_s: float = 15) -> str:
        """The first payload on that topic that fits and was not yet taken."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            for number, message in enumerate(self.seen):
                if message.topic == topic and fits(message.text):
                    return self.seen.pop(number).text
            time.sleep(0.01)
        raise AssertionError(f"nothing on {topic} fits; seen {[m.topic for m in self.seen]}")

    def ask(self, name: str, **body: Any) -> dict[str, Any]:
        number = f"{time.monotonic_ns()}"
        self.client.publish(Message(f"{TOPIC}/{name}", json.dumps(body | {"id": number})))
        return self.answer(name, number)

    def answer(self, name: str, number: str) -> dict[str, Any]:
        def mine(text: str) -> bool:
            return bool(json.loads(text)["id"] == number)

        found: dict[str, Any] = json.loads(self.wait(f"{TOPIC}/{name}/result", mine))
        return found

    def sources(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("report")["status"]["sources"]
        return found


@pytest.fixture
def field(
    tmp_path: Path, mosquitto: Mosquitto, vww: Path, demo_photographs: None
) -> Iterator[Field]:
    made = Field(tmp_path, mosquitto, vww)
    with made.client:
        assert made.client.connected.wait(5)
        made.start()
        yield made
        made.stop()


def test_pause_threshold_snapshot_report_and_replay(field: Field) -> None:
    assert field.ask("pause", source="cam")["ok"]
    field.wait("hedgerow/field/cam/availability", lambda text: text == "offline")
    assert field.sources()["cam"]["state"] == "paused"
    assert field.ask("snapshot", source="cam")["error"].startswith("source cam delivers no frames")
    assert field.ask("resume")["ok"]
    field.wait("hedgerow/field/cam/availability", lambda text: text == "online")

    answer = field.ask("snapshot", source="cam")
    assert (answer["ok"], answer["snapshot"]) == (True, "hedgerow/field/cam/snapshot")

    assert field.ask("threshold", label="person", enter=0.5)["ok"]
    report = field.ask("report")
    assert report["thresholds"] == {"cam": {"person": {"enter": 0.5, "leave": 0.375}}}
    assert report["status"]["outbox"]["durable"]

    said = field.wait("hedgerow/field/cam/event", lambda text: '"start"' in text, 30)
    pictures = [m.payload for m in field.seen if m.topic == "hedgerow/field/cam/snapshot"]
    assert pictures, "one that was asked for, and one of the event's start"
    first = json.loads(said)
    assert field.ask("replay", from_seq=first["seq"])["events"] >= 1
    again = field.wait(
        "hedgerow/field/cam/event", lambda text: json.loads(text)["seq"] == first["seq"]
    )
    assert json.loads(again) == first | {"replayed": True}
    assert field.ask("replay", from_seq=2**63 - 1)["events"] == 0
    assert field.ask("cancel")["ok"]


def test_a_pause_that_is_taken_back_at_once_does_not_end_the_source(field: Field) -> None:
    for _ in range(5):
        field.client.publish(Message(f"{TOPIC}/pause", "{}"))
        field.client.publish(Message(f"{TOPIC}/resume", "{}"))
    before = field.sources()["cam"]["frames"]
    until_s = time.monotonic() + 20
    while field.sources()["cam"]["frames"] < before + 10:
        assert time.monotonic() < until_s, "no more frames come"
        time.sleep(0.1)


def test_what_is_wrong_stale_or_expired_does_nothing_and_says_so(field: Field) -> None:
    for name, body, says in (
        ("pause", {"source": "barn"}, "source: there is no 'barn'; there are cam"),
        ("threshold", {"label": "cat", "enter": 0.5}, "label: 'cat' makes no events"),
        ("threshold", {"label": "person", "enter": 0.5, "leave": 0.6}, "leave: expected at most"),
    ):
        answer = field.ask(name, **body)
        assert (answer["ok"], answer["error"][: len(says)]) == (False, says)
    for name, text, says in (
        ("sauce", "", "no such command; there are pause, resume"),
        ("pause", '{"sauce": 1}', "sauce: Extra inputs are not permitted"),
        ("pause", "not json", "Invalid JSON"),
        ("replay", '{"from_seq": -1}', "from_seq: Input should be greater than or equal to 1"),
        ("pause", "x" * 70_000, "is longer than 65536 bytes"),
        ("pause", "", "an empty payload does nothing"),
        ("replay", '{"from_seq": 9223372036854775808}', "from_seq: Input should be less than"),
        ("replay", '{"from_seq": 1, "to_seq": 1e99}', "to_seq: "),
    ):
        field.client.publish(Message(f"{TOPIC}/{name}", text))
        topic = f"{TOPIC}/{name if name != 'sauce' else 'unknown'}/result"
        answer = json.loads(field.wait(topic, lambda _: True))
        assert not answer["ok"]
        assert answer["error"].startswith(says), answer
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    answer = field.ask("pause", expires=past)
    assert answer["error"] in (
        "is expired",
        "expires: this device's clock is not set: send it without",
    )
    assert field.sources()["cam"]["state"] == "online", "nothing of all this was carried out"


def test_a_retained_command_is_stale_and_a_repeated_one_is_carried_out_once(field: Field) -> None:
    field.stop()
    field.client.publish(Message(f"{TOPIC}/pause", '{"id": "old"}', retain=True))
    field.client.flush(5)
    field.start()
    assert field.sources()["cam"]["state"] == "online"
    assert not any(m.topic == f"{TOPIC}/pause/result" for m in field.seen)
    assert field.ask("report")["status"]["ignored_commands"] == 1
    field.client.publish(Message(f"{TOPIC}/pause", "", retain=True))
    assert field.answer("pause", "")["error"].startswith("an empty payload does nothing")
    assert field.sources()["cam"]["state"] == "online"

    field.client.publish(Message(f"{TOPIC}/pause", '{"id": "once"}'))
    assert field.answer("pause", "once")["ok"]
    assert field.ask("resume")["ok"]
    field.client.publish(Message(f"{TOPIC}/pause", '{"id": "once"}'))
    assert field.answer("pause", "once")["ok"]
    assert field.sources()["cam"]["state"] != "paused"


def test_reload_takes_a_new_configuration_and_refuses_a_wrong_one(field: Field) -> None:
    good = field.config.read_text()
    field.config.write_text(good + "fps = 'x'\n")
    answer = field.ask("reload")
    assert not answer["ok"]
    assert answer["error"].startswith(f"{field.config}: line ")
    assert "source.cam.fps: expected a number, got 'x'" in answer["error"]
    assert field.sources()["cam"]["state"] == "online"

    field.wait("homeassistant/device/hedgerow_field/config", lambda text: "cam_view" in text)
    field.config.write_text(good.replace("source.cam", "source.yard"))
    assert field.ask("reload")["ok"]
    field.wait("hedgerow/field/yard/availability", lambda text: text == "online")
    assert set(field.sources()) == {"yard"}
    told = json.loads(
        field.wait("homeassistant/device/hedgerow_field/config", lambda text: "yard_view" in text)
    )
    assert told["components"]["cam_view_sensor"] == {"platform": "sensor"}, "which removes it"
    late: list[Message] = []
    with MqttClient(field.client._config, "") as reader:
        reader.listen("hedgerow/field/cam/#", late.append)
        time.sleep(0.5)
    assert not late, "nothing retained is left of a source that is gone"


def test_home_assistant_is_told_at_start_and_at_its_birth(field: Field) -> None:
    topic = "homeassistant/device/hedgerow_field/config"
    told = json.loads(field.wait(topic, lambda _: True))
    assert told["device"]["identifiers"] == ["hedgerow_field"]
    field.client.publish(Message("homeassistant/status", "online"))
    assert json.loads(field.wait(topic, lambda _: True)) == told
