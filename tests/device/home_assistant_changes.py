"""Random changes, restarts and kills beside Home Assistant's core:
`python -m tests.device.home_assistant_changes HOME MODEL --rounds 200 --seed 1`.

HOME is a venv that has Home Assistant, or a Debian root that has one in /srv/ha
(tests/device/home_assistant_names.py and home_assistant.py say how to make them). In every round
edge.toml is changed at random and reloaded, or the daemon is restarted or killed, now and then
Home Assistant or the broker too; somebody asks for a replay of all events. After each of them Home
Assistant has the entities that the configuration names and no others. Prints figures, and fails
unless its log is without a line of ours and no event ran an automation twice but by a kill.
"""

import argparse
import json
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from threading import Thread
from typing import Any

from edge.config import MqttConfig, load
from edge.daemon import scene
from edge.feed.homeassistant import Device, config
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import Mosquitto, edge_command, free_port

STATES = Path(__file__).with_name("home_assistant_states.py")
SOURCES = {
    "cam": "demo:?fps=8",
    "north_cam": "demo:?fps=3",
    "yard-2": "demo:?fps=4",
    "clip": "file:{video}",
}
DEVICES = ("field", "field_north")
"""field + north_cam and field_north + cam join to the same words."""
OURS = ("hedgerow", "mqtt", "template", "field", "Error parsing")
OTHERS = ("mqtt.client: Disconnected", "mqtt.client: Failed to connect", "Error returned from",
          "Detected code that calls async_forward_entry_setups")  # fmt: skip
"""Home Assistant's own lines where the broker is away, and of how this trial starts it."""


class Home:
    """Home Assistant; `told` is what it holds now."""

    def __init__(self, place: Path, folder: Path, port: int) -> None:
        self._place, self._folder, self._port = place, folder, port
        self.told: dict[str, Any] = {}
        self.runs: Counter[str] = Counter()
        self.log: list[str] = []

    def start(self) -> None:
        arguments = [str(self._port), str(free_port())]
        if (self._place / "srv/ha").exists():
            (self._place / "srv" / STATES.name).write_text(STATES.read_text())
            command = ["chroot", str(self._place), "/srv/ha/bin/python", f"/srv/{STATES.name}",
                       f"/srv/{self._folder.name}"]  # fmt: skip
        else:
            command = [str(self._place / "bin/python"), str(STATES), str(self._folder / "home")]
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.thread = Thread(target=self._listen, args=(self.process,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.thread.join()
        self.runs.update(self.told.pop("runs", {}))

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                self.told = json.loads(line)
            else:
                self.log.append(line.rstrip())


class Trial:
    """One device, its configuration, and what Home Assistant should have of it."""

    def __init__(self, arguments: argparse.Namespace, folder: Path, broker: Mosquitto) -> None:
        self._chance = random.Random(arguments.seed)
        self._path = folder / "edge.toml"
        self._model, self._video = arguments.model.resolve(), arguments.video.resolve()
        self._broker = broker
        self.device = DEVICES[0]
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log = (folder / "daemon.log").open("ab")
        self.home = Home(arguments.home, folder, broker.port)
        self._began_s, self._up = time.monotonic(), False
        self.did: Counter[str] = Counter()
        self.replayed = 0
        self.live: set[tuple[str, int]] = set()
        self.first: set[tuple[str, int]] = set()
        self.client = MqttClient(MqttConfig(broker=broker.address), "")
        self.client.listen("hedgerow/+/+/event", self._event)
        self.client.listen("hedgerow/+/command/replay/to/+", self._replay)
        self.client.listen("hedgerow/+/status", self._status)

    def _event(self, message: Message) -> None:
        event = json.loads(message.text)
        number = (event["boot_id"], event["seq"])
        self.first.add(number)
        if not event["replayed"]:
            self.live.add(number)

    def _status(self, message: Message) -> None:
        """Before its first one, the daemon would not know what SIGHUP means."""
        if not message.retain and message.payload:
            uptime_s = json.loads(message.text)["uptime_s"]
            self._up |= uptime_s < time.monotonic() - self._began_s

    def _replay(self, _: Message) -> None:
        self.replayed += 1

    def write(self) -> None:
        """Another configuration."""
        pick = self._chance
        names = pick.sample(list(SOURCES), pick.randint(1, len(SOURCES)))
        if names == ["clip"]:
            names.append("cam")  # alone, the daemon would end with it
        truth = {flag: str(pick.random() < 0.5).lower() for flag in ("snapshots", "view")}
        discovery = str(pick.random() < 0.9).lower()
        self.device = self.device if pick.random() < 0.8 else pick.choice(DEVICES)
        labels = pick.choice(([], ["person"], ["person", "no_person"]))
        text = f"""device = "{self.device}"
[model]
path = "{self._model}"
[mqtt]
broker = "{self._broker.address}"
[feed]
snapshots = {truth["snapshots"]}
status_interval_s = 1.0
[view]
enabled = {truth["view"]}
[homeassistant]
discovery = {discovery}
[outbox]
folder = "{self._path.parent}/state"
[events]
labels = {json.dumps(labels)}
"""
        for name in names:
            text += f'[source.{name}]\nuri = "{SOURCES[name].format(video=self._video)}"\n'
        self._path.write_text(text)

    def wanted(self) -> list[str]:
        """The ids of the entities that this configuration has."""
        made = load(self._path)
        if not made.homeassistant.discovery:
            return []
        cameras = [name for name, source in made.source.items() if scene.lives(source)]
        labels = dict.fromkeys(cameras, made.events.labels or ("person",))
        device = Device(made.device, "", labels, made.feed.snapshots, made.view.enabled, False)
        found = config(device)["components"].values() if labels else ()
        return sorted(component["unique_id"] for component in found)

    def start(self) -> None:
        self._began_s, self._up = time.monotonic(), False
        command = edge_command("run", "--config", self._path)
        self._daemon = subprocess.Popen(command, stderr=self._log)

    def end(self, kill: bool) -> None:
        assert self._daemon is not None
        self._daemon.kill() if kill else self._daemon.terminate()
        self._daemon.wait()

    def round(self) -> None:
        """Something happens; then all is as configured."""
        what = self._chance.choices(
            ("reload", "restart", "kill", "home assistant", "broker"), (60, 18, 18, 2, 2)
        )[0]
        self.did[what] += 1
        if what == "broker":
            self._broker.stop()
            self._broker.start()
            time.sleep(15)  # until Home Assistant has found it again
        elif what == "home assistant":
            self.home.stop()
            self.home.start()
        elif what == "reload":
            self.write()
            assert self._daemon is not None
            self._daemon.send_signal(signal.SIGHUP)  # a command is lost while the broker is away
        else:
            self.end(kill=what == "kill")
            self.write()
            self.start()
        self.settle(what)
        if self._chance.random() < 0.2:
            self.ask()

    def ask(self) -> None:
        """Somebody looks at what the journal has."""
        watch = ("watch", "--broker", self._broker.address, "--device", self.device, "--csv")
        command = edge_command(*watch, "--since", "1", "--timeout", "3")
        done = subprocess.run(command, stdout=self._log, stderr=self._log, check=False)
        self.did["replay" if done.returncode == 0 else "replay in vain"] += 1

    def settle(self, what: str) -> None:
        wanted, end_s = self.wanted(), time.monotonic() + 90
        while self.home.told.get("ids") != wanted or not self._up:
            assert self._daemon is not None and self._daemon.poll() is None, "the daemon has ended"
            if time.monotonic() > end_s:
                found = set(self.home.told.get("ids", ()))
                raise SystemExit(
                    f"{what}: not within 90 s: lacks {sorted(set(wanted) - found)}, "
                    f"has {sorted(found - set(wanted))}"
                )
            time.sleep(0.1)

    def report(self) -> bool:
        """Print the figures; whether all is right."""
        again = self.home.runs["again"]
        ours = [
            line for line in self.home.log
            if any(word in line for word in OURS) and not any(word in line for word in OTHERS)
        ]  # fmt: skip
        print(f"rounds: {dict(self.did)}")
        print(f"{len(self.home.log)} lines in Home Assistant's log, {len(ours)} of ours")
        for line, count in Counter(ours or self.home.log).most_common(10):
            print(f"  {count} times: {line[:300]}")
        print(f"{len(self.first)} events, {len(self.live)} of them at once; {self.replayed} were "
              f"replayed to who asked; automations ran {self.home.runs['mqtt']} times by an event, "
              f"{self.home.runs['entity']} by an event entity, {again} times again")  # fmt: skip
        kept = self.home.runs["entity"] <= len(self.live)
        return not ours and kept and again <= self.did["kill"] + self.did["broker"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--video", type=Path, required=True, help="a recording")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e6, help="end after so long")
    arguments = parser.parse_args()
    end_s = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as name:
        broker = Mosquitto(Path(name))
        broker._witness = None  # it would end with the first restart
        broker.start()
        trial = Trial(arguments, Path(name), broker)
        trial.home.start()
        try:
            with trial.client:
                trial.write()
                trial.start()
                trial.settle("start")
                for number in range(arguments.rounds):
                    if time.monotonic() > end_s:
                        break
                    trial.round()
                    if number % 20 == 19:
                        print(number + 1, dict(trial.did), flush=True)
        finally:
            if trial._daemon is not None:
                trial._daemon.kill()
                trial._daemon.wait()
            trial.home.stop()
            broker.stop()
            right = trial.report()
    raise SystemExit(0 if right else 1)


if __name__ == "__main__":
    main()
