"""A daemon against Home Assistant's core: `python -m tests.device.home_assistant ROOT MODEL`.

ROOT is a Debian 13 root that has Home Assistant in /srv/ha, made once, as root:

    mmdebstrap --variant=minbase --include=python3,python3-venv,python3-dev,gcc,g++,libc6-dev,\
ca-certificates trixie ROOT
    chroot ROOT python3 -m venv /srv/ha
    chroot ROOT /srv/ha/bin/pip install homeassistant==2026.2.3 paho-mqtt==2.1.0

Everything stays on loopback. Prints a line for each promise that holds, and fails at the first
that does not: the device and all its entities appear with the right states; the switch pauses;
all are unavailable when the daemon is killed; entities go when their source is removed.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
status_interval_s = 1.0
[source.cam]
uri = "demo:?fps=15"
[source.yard]
uri = "demo:?fps=5"
"""
STATES = "home_assistant_states.py"


class HomeAssistant:
    """Its core in the root; `seen` is what it holds now."""

    def __init__(self, root: Path, port: int) -> None:
        shutil.copy(Path(__file__).with_name(STATES), root / "srv" / STATES)
        shutil.rmtree(root / "srv/config", ignore_errors=True)
        command = ["chroot", str(root), "/srv/ha/bin/python", f"/srv/{STATES}", "/srv/config"]
        self.process = subprocess.Popen(
            [*command, str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.seen: dict[str, Any] = {"states": {}, "entities": [], "devices": []}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.seen = json.loads(line)
            else:
                print("home assistant:", line, end="")

    def until(self, what: str, fulfilled: Callable[[dict[str, str]], bool]) -> None:
        began_s = time.monotonic()
        while not fulfilled(self.seen["states"]):
            if time.monotonic() > began_s + 60:
                print(json.dumps(self.seen, indent=1))
                raise SystemExit(f"not within 60 s: {what}")
            time.sleep(0.1)
        print(f"{time.monotonic() - began_s:5.1f} s  {what}", flush=True)


def check(home: HomeAssistant, client: MqttClient, start: Callable[[], None], config: Path) -> None:
    def all_of(state: str) -> Callable[[dict[str, str]], bool]:
        return lambda states: (
            bool(states) and {v for k, v in states.items() if k in home.seen["entities"]} == {state}
        )

    home.until("the broker is reached", lambda _: home.process.poll() is None)
    start()
    home.until(
        "the device and its entities appear",
        lambda s: "Hedgerow field" in home.seen["devices"] and "sensor.field_yard_view" in s,
    )
    home.until("a switch for each source is on", lambda s: s["switch.field_cam_running"] == "on")
    home.until(
        "a person is seen: binary sensor on, state sensor says person",
        lambda s: (
            (s["binary_sensor.field_cam_person"], s["sensor.field_cam_state"]) == ("on", "person")
        ),
    )
    home.until("the event entity has it", lambda s: s["event.field_cam_event"] != "unknown")
    home.until("the picture has it", lambda s: s["image.field_cam_snapshot"] != "unknown")
    home.until("nobody is seen: off", lambda s: s["binary_sensor.field_cam_person"] == "off")
    print(f"{'':9}{len(home.seen['entities'])} entities: {', '.join(home.seen['entities'])}")
    unknown = [k for k in home.seen["entities"] if home.seen["states"].get(k) == "unknown"]
    print(f"{'':9}unknown now: {unknown or 'none'}")
    client.publish(Message("hedgerow/field/command/pause", '{"source":"cam","paused":true}'))
    home.until(
        "paused: the switch is off, what the camera says is unavailable",
        lambda s: (
            (s["switch.field_cam_running"], s["sensor.field_cam_state"]) == ("off", "unavailable")
        ),
    )
    client.publish(Message("hedgerow/field/command/resume", ""))
    home.until("resumed", lambda s: s["sensor.field_cam_state"] != "unavailable")
    start.__self__.kill()  # type: ignore[attr-defined]
    home.until("killed: every entity is unavailable", all_of("unavailable"))
    start()
    home.until("back again", lambda s: s["switch.field_yard_running"] == "on")
    config.write_text(config.read_text().partition("[source.yard]")[0])
    client.publish(Message("hedgerow/field/command/reload", ""))
    home.until(
        "a source is removed: so are its entities",
        lambda _: (
            bool(home.seen["entities"])
            and not any("yard" in entity for entity in home.seen["entities"])
        ),
    )


class Daemon:
    def __init__(self, config: Path) -> None:
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(edge_command("run", "--config", self._config))

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def main() -> None:
    root, model = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder)
        broker.start()
        config = folder / "edge.toml"
        text = CONFIG.format(model=model, broker=broker.address)
        config.write_text(
            text.replace("[source.cam]", f"[outbox]\nfolder = '{folder}/state'\n[source.cam]")
        )
        daemon = Daemon(config)
        home = HomeAssistant(root, broker.port)
        try:
            with MqttClient(MqttConfig(broker=broker.address), "") as client:
                time.sleep(8)
                check(home, client, daemon.start, config)
        finally:
            daemon.kill()
            home.process.terminate()
            home.process.wait()
            broker.stop()


if __name__ == "__main__":
    main()
