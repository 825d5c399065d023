"""A daemon is killed while stories are open: the next one ends them, and says what is known."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config, MqttConfig
from edge.feed.mqtt import MqttClient
from edge.feed.reader import Reader, Received
from edge.feed.retained import Retained
from tests.conftest import REPOSITORY, Mosquitto, edge_command
from tests.listener import until

CONFIG = """
device = "{device}"
[model]
path = "{model}"
[mqtt]
broker = "{broker}"
[summary]
enabled = true
[outbox]
folder = "{folder}"
[source.{source}]
uri = "demo:?seconds=1"
"""


@pytest.fixture
def config(tmp_path: Path, mosquitto: Mosquitto, demo_photographs: None) -> Any:
    """Writes an edge.toml for that device and camera."""

    def write(device: str = "yard", source: str = "gate", more: str = "") -> Path:
        path = tmp_path / "edge.toml"
        path.write_text(
            CONFIG.format(
                device=device, source=source, broker=mosquitto.address, folder=tmp_path / "out",
                model=REPOSITORY / "models/person/model.tflite",
            )
            + more
        )  # fmt: skip
        return path

    return write


@contextmanager
def running(config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(edge_command("run", "--config", config), cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(reader: Reader, kind: str, wanted: Any, timeout_s: float = 20) -> list[Received]:
    """All messages up to the first of that kind that is wanted."""
    seen, until_s = [], time.monotonic() + timeout_s
    for received in reader.messages(timeout_s):
        seen.append(received)
        if received.kind == kind and wanted(received.payload):
            return seen
        assert time.monotonic() < until_s, [(r.kind, r.payload[:80]) for r in seen]
    raise AssertionError(f"no such {kind}")


def retained(broker: Mosquitto, device: str = "+") -> dict[str, str]:
    """What a reader that comes now is told."""
    with Reader(MqttConfig(broker=broker.address), device) as reader:
        seen = [r for r in reader.messages(0.5) if r.retained]
    return {f"{r.device}/{r.source}/{r.kind}": r.payload for r in seen}


def test_each_story_has_one_end_and_what_is_retained_is_right_at_once(
    config: Any, mosquitto: Mosquitto
) -> None:
    path = config()
    with Reader(MqttConfig(broker=mosquitto.address), "yard") as reader:
        with running(path):
            started = said(reader, "event", lambda text: '"start"' in text)[-1]
        start = json.loads(started.payload)
        assert json.loads(retained(mosquitto)["yard/gate/state"])["label"] == "person"
        path.write_text(path.read_text().replace("demo:?seconds=1", "rtsp://127.0.0.1:9/none"))
        with running(path):
            seen = said(reader, "event", lambda text: '"end"' in text)
            told = retained(mosquitto)
        end = json.loads(seen[-1].payload)
        assert (end["id"], end["change"], end["seq"]) == (start["id"], "lost", start["seq"] + 1)
        assert end["boot_id"] != start["boot_id"] and end["time"] >= start["time"]
        assert json.loads(told["yard/gate/state"])["labels"] == []
        assert (told["yard/gate/availability"], told["yard//availability"]) == ("offline", "online")
        with running(path):
            said(reader, "status", lambda text: '"online"' in text or '"offline"' in text)
            rest = [json.loads(r.payload) for r in reader.messages(1.5) if r.kind == "event"]
    assert {event["seq"] for event in rest} <= {start["seq"], end["seq"]}, "no second end"


def test_a_renamed_device_and_camera_leave_nothing_behind(
    config: Any, mosquitto: Mosquitto
) -> None:
    mine, other = (f"{p}/device/hedgerow_{{}}/config" for p in ("homeassistant", "other"))
    with running(config()):
        until(lambda: found(mosquitto, mine.format("yard")))
        until(lambda: retained(mosquitto).get("yard/gate/availability") == "online")
    with running(config("field", "post", "[homeassistant]\nprefix = 'other'\n")):
        until(lambda: {topic.partition("/")[0] for topic in retained(mosquitto)} == {"field"})
        until(lambda: found(mosquitto, other.format("field")))
        assert not found(mosquitto, mine.format("yard"))
    with running(config("field", "post", "[homeassistant]\ndiscovery = false\n")):
        until(lambda: not found(mosquitto, other.format("field")))


def test_another_device_of_the_same_folder_is_not_taken_for_a_renamed_one(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """It runs, or it has cameras of its own."""
    with MqttClient(MqttConfig(broker=mosquitto.address), "") as client:
        one, two = (Config.model_validate({"device": d, "source": s}) for d, s in (
            ("one", {"cam": {"uri": "rtsp://u:secret@127.0.0.1/a"}, "b": {"uri": "usb:0"}}),
            ("two", {"cam": {"uri": "rtsp://127.0.0.1/a?x=secret"}}),
        ))  # fmt: skip
        first = Retained(tmp_path, one, client)
        Retained(tmp_path, two, client).close()
        assert (tmp_path / "one.retained").exists()
        assert "secret" not in (tmp_path / "one.retained").read_text()
        first.close()
        three = two.model_copy(update={"device": "three"})
        Retained(tmp_path, three, client).close()
        (tmp_path / "odd.retained").write_text('{"topics": [[1], "#"], "cameras": 5}')
        Retained(tmp_path, three, client).close()
        (tmp_path / "odd.retained").unlink()
    names = sorted(path.name for path in tmp_path.glob("*.retained"))
    assert names == ["three.retained"], "one and two had its camera"


def found(broker: Mosquitto, topic: str) -> bool:
    """Whether the broker retains something there."""
    told: list[str] = []
    client = MqttClient(MqttConfig(broker=broker.address), "")
    client.listen(topic, lambda message: told.append(message.text))
    with client:
        client.connected.wait(5)
        time.sleep(0.3)
    return bool(told)
