"""View states through the daemon: a web camera that goes blind, and what a reader is told."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge.config import MqttConfig
from edge.feed.reader import Reader
from tests.cameras.servers import WebCamera, jpeg
from tests.conftest import Mosquitto, edge_command
from tests.unit.test_view import noisy, yard

CONFIG = """
device = "field"
model.path = "{model}"
mqtt.broker = "{broker}"
events = {{ enter = 0.0, leave = 0.0, update_s = 0.3 }}
feed = {{ observations = true, status_interval_s = 0.2 }}
view = {{ confirm_s = 1.5, frozen_s = 8.0 }}
source.cam.uri = "{camera}/mjpeg"
"""


class Scene:
    """What the camera shows: a yard, darkness, or the same picture for ever."""

    def __init__(self) -> None:
        self.shows: Callable[[int], bytes] = self.alive

    def __call__(self, number: int) -> bytes:
        return self.shows(number)

    def alive(self, number: int) -> bytes:
        return jpeg(noisy(yard(), number))

    def nothing(self, _: int) -> bytes:
        return jpeg(np.zeros((240, 320, 3), np.uint8))

    def frozen(self, _: int) -> bytes:
        return jpeg(yard())


def test_a_reader_learns_that_the_camera_cannot_see(
    mosquitto: Mosquitto, vww: Path, tmp_path: Path
) -> None:
    scene, config = Scene(), tmp_path / "edge.toml"
    told: dict[str, list[Any]] = {"state": [], "event": [], "observation": [], "status": []}
    with WebCamera(scene) as camera, Reader(MqttConfig(broker=mosquitto.address), "field") as feed:
        config.write_text(CONFIG.format(model=vww, broker=mosquitto.address, camera=camera.address))
        daemon = subprocess.Popen(
            edge_command("run", "--config", config), stderr=subprocess.PIPE, text=True
        )

        def until(view: str) -> None:
            wanted = set(told)
            for received in feed.messages(30):
                if received.kind not in told:
                    continue
                body = json.loads(received.payload)
                body = body["sources"]["cam"] if received.kind == "status" else body
                told[received.kind].append(body)
                if body["view"] == view:
                    wanted.discard(received.kind)
                if not wanted:
                    return
            raise AssertionError(f"{view} was not said in {wanted}")

        try:
            until("ok")
            scene.shows = scene.nothing
            until("dark")
            scene.shows = scene.alive
            until("ok")
            scene.shows = scene.frozen
            until("frozen")
        finally:
            daemon.terminate()
            _, errors = daemon.communicate(timeout=20)
    views = [state["view"] for state in told["state"]]
    changes = [view for view, before in zip(views, [None, *views], strict=False) if view != before]
    assert changes == ["ok", "dark", "ok", "frozen"], "no flapping"
    assert all(state["view_since"] for state in told["state"])
    logged = [line for line in errors.splitlines() if "its view is" in line]
    assert [line.partition("source cam: ")[2] for line in logged] == [
        "its view is dark, was ok", "its view is ok, was dark", "its view is frozen, was ok",
    ]  # fmt: skip
