"""`edge run` on three live cameras while broker and daemon are killed: `python -m
tests.benchmarks.kills [--daemon N] [--broker N] [--seed N]`.

Each kill is a SIGKILL at a random moment. A broker that is killed loses what it owes to its
readers: what the reader lacks at the end is asked for with `command/replay`. Fails unless no event
of the journal is lost, `seq` has no gap and every story has exactly one end.
"""

import argparse
import json
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.config import MqttConfig, OutboxConfig
from edge.feed.journal import Journal
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import REPOSITORY, Mosquitto, edge_command
from tests.listener import Listener, until

CONFIG = """
device = "field"
[model]
path = "{model}"
[mqtt]
broker = "{broker}"
[outbox]
folder = "{folder}"
replay_per_s = 5000.0
[events]
update_s = 0.5
[source.a]
uri = "demo:?seconds=0.5"
[source.b]
uri = "demo:?seconds=0.7"
[source.c]
uri = "demo:?seconds=1.1"
"""


class Broker(Mosquitto):
    """A mosquitto that is killed and started again; the witness of its payloads stays."""

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def again(self) -> None:
        self._launch()


class Daemon:
    """`edge run`, again after each kill."""

    def __init__(self, config: Path) -> None:
        self._command = edge_command("run", "--config", config)
        self._errors = config.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._errors.open("a") as errors:
            self._process = subprocess.Popen(self._command, cwd=REPOSITORY, stderr=errors)

    def end(self, how: int) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=20)
            self._process = None


@contextmanager
def field(folder: Path) -> Iterator[tuple[Broker, Daemon]]:
    """A broker and a configuration for it."""
    broker, config = Broker(folder), folder / "edge.toml"
    model = REPOSITORY / "models/person/model.tflite"
    config.write_text(CONFIG.format(model=model, broker=broker.address, folder=folder / "state"))
    broker.start()
    daemon = Daemon(config)
    daemon.start()
    try:
        yield broker, daemon
    finally:
        daemon.end(signal.SIGKILL)
        broker.stop()


def strike(blows: list[str], broker: Broker, daemon: Daemon, chance: random.Random) -> None:
    """One kill after another."""
    for number, blow in enumerate(blows, 1):
        time.sleep(chance.uniform(1.0, 6.0))
        if blow == "daemon":
            daemon.end(signal.SIGKILL)
            daemon.start()
        else:
            broker.kill()
            time.sleep(chance.uniform(0.0, 2.0))
            broker.again()
        print(f"\r{number} of {len(blows)} kills", end="", flush=True)
    print()


def replay(broker: Broker, listener: Listener, last: int) -> int:
    """Have all events told again; returns how many the reader lacked."""
    wanted = set(range(1, last + 1))
    lacked = wanted - {event["seq"] for event in listener.events}
    with MqttClient(MqttConfig(broker=broker.address), "") as client:
        until(client.connected.is_set)
        for _ in range(12):  # a daemon that is not there yet hears no command
            asked = json.dumps({"from_seq": 1, "to_seq": last})
            client.publish(Message("hedgerow/field/command/replay", asked))
            time.sleep(5)
            if wanted <= {event["seq"] for event in listener.events}:
                break
    return len(lacked)


def judge(events: list[dict[str, Any]], journal: Path) -> dict[str, int]:
    """The figures that must be 0, and how much there was."""
    book = Journal(journal, OutboxConfig())
    kept = {entry.seq: json.loads(entry.payload) for entry in book.between(0, book.last_seq, 10**6)}
    left, waiting = len(book.left), book.count(book.delivered)
    book.close()
    once = {event["seq"]: event for event in events}
    kinds = Counter((e["id"], e["event_type"]) for e in once.values())
    stories = {e["id"] for e in once.values()}
    return {
        "events": len(once),
        "stories": len(stories),
        "ended as lost": sum(e["change"] == "lost" for e in once.values()),
        "lost": len(kept.keys() - once.keys()) + waiting,
        "gaps": max(once) - len(once),
        "one number for two": sum(e["id"] != once[e["seq"]]["id"] for e in events),
        "without one start": sum(kinds[s, "start"] != 1 for s in stories),
        "without one end": sum(kinds[s, "end"] != 1 for s in stories) + left,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--daemon", type=int, default=20)
    parser.add_argument("--broker", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"--seed {options.seed}")
    chance = random.Random(options.seed)
    blows = ["daemon"] * options.daemon + ["broker"] * options.broker
    chance.shuffle(blows)
    with tempfile.TemporaryDirectory() as name:
        journal = Path(name) / "state" / "field.outbox"
        with field(Path(name)) as (broker, daemon), Listener(broker.port) as listener:
            strike(blows, broker, daemon, chance)
            time.sleep(5)
            daemon.end(signal.SIGKILL)
            daemon.start()  # ends what that left open, and is stopped as a service is
            time.sleep(5)
            last = max(event["seq"] for event in listener.events)
            twice = len(listener.events) - len({event["seq"] for event in listener.events})
            lacked = replay(broker, listener, last)
            daemon.end(signal.SIGTERM)
            time.sleep(1)
            figures = judge(listener.events, journal)
            errors = (Path(name) / "edge.log").read_text()
    print(f"{twice} events came twice, with the same number; {lacked} were in a broker that was "
          "killed, and came by replay")  # fmt: skip
    for what, count in figures.items():
        print(f"{count:6} {what}")
    wrong = ("lost", "gaps", "one number for two", "without one start", "without one end")
    if any(figures[what] for what in wrong):
        raise SystemExit(errors)


if __name__ == "__main__":
    main()
