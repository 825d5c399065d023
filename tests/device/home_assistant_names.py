"""Labels and devices that are hard to name, on Home Assistant's core:
`python -m tests.device.home_assistant_names VENV`.

VENV has Home Assistant (2025.4 is what Python 3.13.0 takes; 2026.2 needs 3.13.2):

    python3.13 -m venv VENV
    VENV/bin/pip install homeassistant paho-mqtt==2.1.0

Every entity is there, one sensor is on while its label holds, and a replay is no event. Prints what
does not hold, and fails.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.config import MqttConfig
from edge.feed.homeassistant import Device, config
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import Mosquitto

LABELS = (
    "Person", "person", "late-blight", "late_blight", "late blight", "!a?", "?a!", "é", "e\u0301",
    "🍅", "🥔", "早疫病", "晚疫病", "view problem", "Tomato___Late_blight", 'say "hi"',
    "back\\slash", "{{x}} %}", "x" * 300,
)  # fmt: skip
DEVICES = (("farm", "north_cam"), ("farm_north", "cam"), ("farm-north", "cam"))
STATES = Path(__file__).with_name("home_assistant_states.py")


class Home:
    """Home Assistant; `states` is what it holds now."""

    def __init__(self, venv: Path, folder: Path, port: int) -> None:
        self.states: dict[str, str] = {}
        self.entities: list[str] = []
        self.process = subprocess.Popen(
            [venv / "bin/python", STATES, folder / "config", str(port)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                told = json.loads(line)
                self.states, self.entities = told["states"], told["entities"]

    def on(self) -> list[str]:
        return [k for k, v in self.states.items() if k.startswith("binary_sensor") and v == "on"]


def until(what: str, fulfilled: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not fulfilled():
        if time.monotonic() > end_s:
            raise SystemExit(f"not within 60 s: {what}")
        time.sleep(0.1)
    print(f"holds: {what}", flush=True)


def check(home: Home, client: MqttClient) -> None:
    def say(topic: str, body: Any, retain: bool = True) -> None:
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        client.publish(Message(topic, text, retain=retain))

    wanted = 0
    for device, source in DEVICES:
        for topic in (device, f"{device}/{source}"):
            say(f"hedgerow/{topic}/availability", "online")
        announced = config(Device(device, "1", {source: LABELS}, True))
        wanted += len(announced["components"])
        say(f"homeassistant/device/hedgerow_{device}/config", announced)
    until(f"all {wanted} entities are there", lambda: len(home.entities) == wanted)
    here, ons = "hedgerow/farm/north_cam", set()
    for label in LABELS:
        say(f"{here}/state", {"label": label, "labels": [{"label": label}], "view": "ok"})
        shown = label[:255]
        until(
            f"{label[:20]!r} is the state, and one sensor is on",
            lambda shown=shown: (  # type: ignore[misc]
                home.states.get("sensor.farm_north_cam_state") == shown and len(home.on()) == 1
            ),
        )
        ons.add(home.on()[0])
    assert len(ons) == len(LABELS), "another one for each label"
    event = "event.farm_north_cam_event"
    say(f"{here}/event", {"event_type": "start", "replayed": True}, retain=False)
    time.sleep(3)
    assert home.states[event] == "unknown", "a replay is no event"
    say(f"{here}/event", {"event_type": "start", "replayed": False}, retain=False)
    until("an event is one", lambda: home.states[event] != "unknown")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        broker = Mosquitto(Path(name), "allow_anonymous true\n#\n")
        broker._witness = None  # what is said here is no feed
        broker.start()
        home = Home(Path(sys.argv[1]), Path(name), broker.port)
        try:
            with MqttClient(MqttConfig(broker=broker.address), "") as client:
                client.connected.wait(5)
                check(home, client)
        finally:
            home.process.terminate()
            home.process.wait()
            broker.stop()


if __name__ == "__main__":
    main()
