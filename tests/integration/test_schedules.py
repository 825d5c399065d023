"""Schedules in the daemon: a source that sleeps says so, and wakes by itself."""

import json
import subprocess
from pathlib import Path

import pytest

from edge.config import MqttConfig
from edge.feed.reader import Reader
from tests.conftest import Edge, Mosquitto, edge_command

SOLAR = """
device = "field"
model.path = "{model}"
mqtt.broker = "{broker}"
feed.status_interval_s = 0.2
[source.cam]
uri = "demo:"
[source.cam.schedule]
every_s = 4
for_s = 2
"""


@pytest.mark.usefixtures("demo_photographs")
def test_a_solar_camera_wakes_and_sleeps(mosquitto: Mosquitto, vww: Path, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(SOLAR.format(model=vww, broker=mosquitto.address))
    daemon = subprocess.Popen(
        edge_command("run", "--config", config), stderr=subprocess.PIPE, text=True
    )
    said, asleep = [], []
    try:
        with Reader(MqttConfig(broker=mosquitto.address), "field") as reader:
            for received in reader.messages(20):
                if (received.source, received.kind) == ("cam", "availability"):
                    said.append(received.payload)
                if received.kind == "status":
                    asleep.append(json.loads(received.payload)["sources"]["cam"])
                if said.count("online") == 3:
                    break
    finally:
        daemon.terminate()
        _, errors = daemon.communicate(timeout=10)
    assert said[-5:] == ["online", "offline", "online", "offline", "online"]
    sleeping = [status for status in asleep if status["asleep"] and status["state"] == "offline"]
    assert sleeping
    for status in sleeping:
        assert status["reason"] == f"asleep until {status['asleep_until'] or 'its time'}"
    assert "source cam: asleep until" in errors and "source cam: awake" in errors


def test_a_recording_has_no_hours(edge: Edge, vww: Path, testdata: Path, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    text = SOLAR.format(model=vww, broker="embedded")
    config.write_text(text.replace("demo:", f"file:{testdata}/videos/yes.mkv"))
    done = edge("run", "--config", config, "--json")
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1].endswith(
        "source.cam.schedule: a recording has no hours; remove it"
    )


def test_the_sun_needs_a_place(edge: Edge, vww: Path, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    text = SOLAR.format(model=vww, broker="embedded")
    config.write_text(text + 'from = "sunrise"\n')
    done = edge("run", "--config", config)
    assert done.returncode == 78
    assert "source.cam.schedule: sunrise and sunset need site.latitude and site.longitude" in (
        done.stderr
    )
