"""A daemon that is reloaded again and again, on an accelerator that lets only one in.

    python -m tests.benchmarks.reloads --count 100

Three cameras, a real mosquitto, `edge run`; each reload changes something else: nothing, a rule,
the threads of the runtime, one source, the model's contract, and what is wrong and refused.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import REPOSITORY, TESTDATA, VWW, VWW_CONTRACT, Mosquitto, edge_command

COMMAND = "hedgerow/field/command"
ROUND = 6
"""Kinds of reloads."""


@dataclass
class Figures:
    """What a run came to."""

    reloads: int
    threads: tuple[int, int] = (0, 0)
    """Before the first round of reloads... and after the last."""
    descriptors: tuple[int, int] = (0, 0)
    memory_kb: list[int] = field(default_factory=list)
    """Before, after every third round, and at the end."""
    delegates: Counter[str] = field(default_factory=Counter)
    """By name, in how many reports it was loaded."""
    answers: Counter[str] = field(default_factory=Counter)
    events: int = 0
    gaps: int = 0
    twice: int = 0
    open_stories: int = 0
    """Told stories without an end, after the daemon has ended."""
    longest_s: float = 0.0
    """The slowest answer to a reload."""
    status: int | None = None


class Field:
    """A daemon on three cameras in a folder of its own, and a reader of all its events."""

    def __init__(self, folder: Path, broker: Mosquitto, delegate: str) -> None:
        self._folder = folder
        self._broker = broker.address
        self._delegate = delegate
        self.events: list[dict[str, Any]] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self.client = MqttClient(MqttConfig(broker=broker.address), "")
        self.client.listen("hedgerow/field/+/event", self._hear)
        self.client.listen(f"{COMMAND}/+/result", self._answered)
        self.log = (folder / "log").open("wb")
        self.daemon: subprocess.Popen[bytes] | None = None

    def _hear(self, message: Message) -> None:
        self.events.append(json.loads(message.payload))

    def _answered(self, message: Message) -> None:
        found = json.loads(message.payload)
        self._answers[found["id"]] = found

    def write(self, kind: int) -> None:
        """The configuration of one kind of reload, changed against kind 0."""
        rule = "release = 2" if kind == 1 else "release = 3"
        threads = 1 if kind == 2 else 2
        fps = 10 if kind == 3 else 12
        threshold = 0.35 if kind == 4 else 0.3
        wrong = '[file]\npath = "/nowhere/at/all"\n' if kind == 5 else ""
        (self._folder / "model.toml").write_text(VWW_CONTRACT.replace("0.6", f"{threshold}"))
        (self._folder / "edge.toml").write_text(
            f'device = "field"\n[model]\npath = "{self._folder}/vww.tflite"\n'
            f'[mqtt]\nbroker = "{self._broker}"\n[events]\nconfirm = 2\n{rule}\n'
            f'[runtime]\ndelegates = ["{self._delegate}", "cpu"]\nthreads = {threads}\n{wrong}'
            f'[source.a]\nuri = "demo:?fps=12&seconds=1"\n'
            f'[source.b]\nuri = "demo:?fps={fps}&seconds=0.7"\n'
            f'[source.c]\nuri = "demo:?fps=8&seconds=1.5"\n'
        )

    def start(self) -> None:
        command = edge_command("run", "--config", self._folder / "edge.toml")
        self.daemon = subprocess.Popen(command, stderr=self.log, cwd=REPOSITORY)

    def ask(self, name: str) -> dict[str, Any]:
        number = f"{time.monotonic_ns()}"
        self.client.publish(Message(f"{COMMAND}/{name}", json.dumps({"id": number})))
        until_s = time.monotonic() + 60
        while number not in self._answers:
            assert time.monotonic() < until_s, f"{name} is not answered"
            time.sleep(0.005)
        return self._answers.pop(number)

    def held(self) -> tuple[int, int, int]:
        """Threads, descriptors, kB of memory."""
        assert self.daemon is not None
        process = Path(f"/proc/{self.daemon.pid}")
        text = (process / "status").read_text()
        memory = re.search(r"VmRSS:\s+(\d+)", text)
        assert memory is not None
        return (
            len(list((process / "task").iterdir())),
            len(list((process / "fd").iterdir())),
            int(memory[1]),
        )

    def end(self) -> int:
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(30)


def run(folder: Path, broker: Mosquitto, delegate: str, count: int) -> Figures:
    """So many reloads; the first round warms up."""
    shutil.copy(TESTDATA / VWW.relative_to(TESTDATA), folder / "vww.tflite")
    field, figures = Field(folder, broker, delegate), Figures(count)
    field.write(0)
    with field.client:
        assert field.client.connected.wait(5)
        field.start()
        try:
            _until(lambda: {e["source"] for e in field.events} == {"a", "b", "c"})
            before = (0, 0, 0)
            for number in range(count):
                if number == min(ROUND, count // 2):
                    before = _settled(field)
                    figures.memory_kb.append(before[2])
                elif number > ROUND and number % (3 * ROUND) == 0:
                    figures.memory_kb.append(field.held()[2])
                _reload(field, number % ROUND, figures)
            field.write(0)
            field.ask("reload")
            after = _settled(field)
        finally:
            figures.status = field.end()
            field.log.close()
        time.sleep(0.5)
    figures.threads, figures.descriptors = (before[0], after[0]), (before[1], after[1])
    figures.memory_kb.append(after[2])
    _judge(field.events, figures)
    return figures


def _reload(field: Field, kind: int, figures: Figures) -> None:
    field.write(kind)
    began_s = time.monotonic()
    answer = field.ask("reload")
    figures.longest_s = max(figures.longest_s, time.monotonic() - began_s)
    figures.answers["ok" if answer["ok"] else answer["error"]] += 1
    figures.delegates[field.ask("report")["status"]["delegates"]["loaded"]] += 1
    time.sleep(0.15)


def _settled(field: Field) -> tuple[int, int, int]:
    """What the daemon holds for good, once the cameras are there again: the least of ten looks,
    as files are opened for a moment now and then."""
    _until(lambda: _online(field))
    time.sleep(1.0)
    looks = []
    for _ in range(10):
        looks.append(field.held())
        time.sleep(0.1)
    threads, descriptors, memory = (min(column) for column in zip(*looks, strict=True))
    return threads, descriptors, memory


def _online(field: Field) -> bool:
    sources = field.ask("report")["status"]["sources"]
    return all(source["state"] == "online" for source in sources.values())


def _until(condition: Any) -> None:
    until_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def _judge(events: list[dict[str, Any]], figures: Figures) -> None:
    numbers = sorted(event["seq"] for event in events)
    figures.events = len(events)
    figures.twice = len(numbers) - len(set(numbers))
    figures.gaps = sum(later - earlier > 1 for earlier, later in pairwise(numbers))
    kinds: dict[str, list[str]] = {}
    for event in sorted(events, key=lambda event: event["seq"]):
        kinds.setdefault(event["id"], []).append(event["event_type"])
    figures.open_stories = sum(
        (told[0], told[-1], told.count("start"), told.count("end")) != ("start", "end", 1, 1)
        for told in kinds.values()
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = folder / "libexclusive.so"
        source = REPOSITORY / "tests/delegates/delegate.c"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        broker = Mosquitto(folder)
        broker.start()
        try:
            figures = run(folder, broker, f"external:{library}?lock={folder}/device", count)
        finally:
            broker.stop()
    for key, value in vars(figures).items():
        print(f"{key}: {dict(value) if isinstance(value, Counter) else value}")


if __name__ == "__main__":
    main()
