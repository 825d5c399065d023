"""What the feed's readers see of cameras that come and go: several sources in one daemon."""

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.cameras.raw import Raw
from tests.cameras.servers import RtspServer, WebCamera, jpeg, picture
from tests.cameras.watch import until
from tests.conftest import Mosquitto, edge_command, free_port

CONFIG = """
device = "field"
[model]
path = "{model}"
[mqtt]
broker = "{broker}"
[feed]
status_interval_s = 0.5
[source.gate]
uri = "{gate}"
timeout_s = 2
[source.yard]
uri = "{yard}"
[source.gone]
uri = "rtsp://me:hunter2@127.0.0.1:{nobody}/cam"
"""


class Feed:
    """Everything that was published, and the process that did it."""

    def __init__(self, broker: Mosquitto, config: Path) -> None:
        self.messages: list[Message] = []
        self._client = MqttClient(MqttConfig(broker=broker.address), "")
        self._client.listen("hedgerow/#", self.messages.append)
        self._client.__enter__()
        self.daemon = subprocess.Popen(
            edge_command("run", "--config", config), stderr=subprocess.PIPE, text=True
        )

    def stop(self) -> str:
        self.daemon.terminate()
        said = self.daemon.communicate(timeout=20)[1]
        self._client.__exit__(None, None, None)
        return said

    def availability(self, source: str) -> list[str]:
        topic = f"hedgerow/field/{source}/availability"
        return [message.text for message in self.messages if message.topic == topic]

    def wait_for_status(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The sources of the first status from now on that is as it should be."""
        first = len(self.messages)
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            for message in self.messages[first:]:
                if message.topic == "hedgerow/field/status":
                    sources = json.loads(message.payload)["sources"]
                    if right(sources):
                        found.append(sources)
                        return True
            return False

        until(arrived)
        return found[0]


@pytest.fixture
def gate(clip: Path) -> Iterator[RtspServer]:
    with RtspServer(clip) as server:
        yield server


@pytest.fixture
def yard() -> Iterator[WebCamera]:
    with WebCamera(lambda number: jpeg(picture(number))) as server:
        yield server


@pytest.fixture
def feed(
    tmp_path: Path, mosquitto: Mosquitto, vww: Path, gate: RtspServer, yard: WebCamera
) -> Iterator[Feed]:
    config = tmp_path / "edge.toml"
    addresses = {"gate": gate.address, "yard": f"{yard.address}/mjpeg", "nobody": free_port()}
    config.write_text(CONFIG.format(model=vww, broker=mosquitto.address, **addresses))
    running = Feed(mosquitto, config)
    yield running
    if running.daemon.poll() is None:
        running.stop()


def test_a_camera_that_dies_and_one_that_was_never_there_cost_the_others_nothing(
    feed: Feed, gate: RtspServer
) -> None:
    feed.wait_for_status(
        lambda all_of: all(all_of[s]["state"] == "online" for s in ("gate", "yard"))
    )
    gate.kill()
    dead = feed.wait_for_status(lambda all_of: all_of["gate"]["state"] == "offline")
    assert "/cam: " in dead["gate"]["reason"]
    assert dead["gone"]["reason"].endswith("connection refused")
    later = feed.wait_for_status(
        lambda all_of: all_of["yard"]["frames"] > dead["yard"]["frames"] + 20
    )
    assert later["gate"]["state"] == "offline"
    gate.start()
    feed.wait_for_status(lambda all_of: all_of["gate"]["state"] == "online")
    assert feed.availability("gate") == ["online", "offline", "online"]
    assert "online" not in feed.availability("gone")
    assert "offline" not in feed.availability("yard")
    said = feed.stop()
    assert feed.daemon.returncode == 0
    assert said.count("connection refused; trying again") <= 3, "one line a change, not one a try"
    everything = said + "".join(message.text for message in feed.messages)
    assert "hunter2" not in everything


def test_a_camera_that_hangs_is_offline_within_its_limit(feed: Feed, gate: RtspServer) -> None:
    feed.wait_for_status(lambda all_of: all_of["gate"]["state"] == "online")
    gate.hang()
    hung = feed.wait_for_status(lambda all_of: all_of["gate"]["state"] == "offline")
    assert hung["gate"]["reason"].endswith("has sent no picture for 2 s")
    gate.go_on()
    feed.wait_for_status(lambda all_of: all_of["gate"]["state"] == "online")


def test_reasons_that_come_and_go_are_logged_once(vww: Path) -> None:
    turns = itertools.cycle((b"HTTP/1.1 503 Busy\r\n\r\n", b"HTTP/1.1 404 Gone\r\n\r\n"))
    with Raw(lambda _: iter((next(turns),))) as server:
        daemon = subprocess.Popen(
            edge_command("run", "--source", f"yard={server.address}", "--model", vww, "--json"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        until(lambda: len(server.heard) >= 4)
        daemon.terminate()
        said = daemon.communicate(timeout=20)[1]
    assert said.count("source yard: ") == 2, said
    assert said.count("HTTP status 503") == said.count("HTTP status 404") == 1
