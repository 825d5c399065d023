"""Hostile commands against a running daemon: `python -m tests.fuzz_commands --count N --seed N`.

A real mosquitto, a real `edge run` with a camera that always has something to tell, and payloads
on every command topic: sound ones, sound ones with wrong values, mutated bytes, odd JSON, large
ones, retained ones. Measured: that the daemon goes on, that no event is lost, how late events
come meanwhile, its memory, and that every command that can be answered is answered.

Two things are left out, or there would be no events to look at: what pauses `cam` or changes its
thresholds (`spare` takes those), and a reload that is carried out (edge.toml is made wrong after
the start, so that every reload is refused).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.feed import reading
from edge.feed.commands import KINDS
from tests.conftest import REPOSITORY, Mosquitto, edge_command

CONFIG = """
device = "field"
[model]
path = "{model}"
[mqtt]
broker = "{broker}"
[outbox]
folder = "{folder}"
[homeassistant]
discovery = false
[view]
enabled = false
[events]
enter = 0.001
leave = 0.0
update_s = 0.1
[source.cam]
uri = "demo:?fps=10"
[source.spare]
uri = "demo:?fps=2"
"""
BROKER = "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 100\n"
TOPIC = "hedgerow/field/command"
AHEAD = 200
"""Commands that are sent and not yet acknowledged by the broker, at most."""
WARM_S = 3.0
"""How long after the first command memory is looked at."""
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, 2**31, 2**63, 2**64, -(2**63) - 1, 10**50, "", "x" * 300,
    "a\nb", "\x00",
    "\x1b[2J", "\ud83d\ude00", "cam\u2028", [], {}, [[]], {"id": "inner"}, "../x", "1", "NaN",
)  # fmt: skip
SOUND: dict[str, dict[str, Any]] = {
    "pause": {"source": "spare", "paused": True},
    "resume": {"source": "spare"},
    "threshold": {"source": "spare", "label": "person", "enter": 0.5},
    "snapshot": {"source": "cam"},
    "replay": {"from_seq": 1, "to_seq": 5},
    "reload": {},
    "report": {},
    "cancel": {},
}


def payload(chance: random.Random, name: str, number: int) -> bytes:
    """One payload for that command; its id, where it has a sound one, is its number."""
    body = dict(SOUND.get(name, {}), id=str(number))
    kind = chance.random()
    if kind < 0.3:
        if name == "replay":
            body["from_seq"] = chance.choice((1, 2, 7, 100, 2**62))
        return json.dumps(body).encode()
    if kind < 0.6:
        key = chance.choice([*body, "expires", "schema", "sauce"])
        body[key] = chance.choice(ODD)
        return json.dumps(body).encode()
    text = bytearray(json.dumps(body).encode())
    if kind < 0.8:
        for _ in range(chance.choice((1, 2, 8))):
            place = chance.randrange(len(text))
            match chance.randrange(3):
                case 0:
                    text[place] = chance.randrange(256)
                case 1:
                    del text[place]
                case _:
                    text.insert(place, chance.choice(b'"{}[]:,\\\n\x00\xff0'))
        return bytes(text)
    return _odd(chance, text, number)


def _odd(chance: random.Random, text: bytearray, number: int) -> bytes:
    size = chance.choice((10, 100, 1000)) if chance.random() < 0.99 else 65_000
    more = {
        "bytes": chance.randbytes(size),
        "deep list": b"[" * size,
        "deep object": b'{"a":' * size + b"1" + b"}" * size,
        "two ids": text[:-1] + b', "id": "%d"}' % number,
        "no numbers": text[:-1] + b', "enter": NaN, "x": Infinity}',
        "digits": text[:-1] + b', "from_seq": ' + b"9" * size + b"}",
        "blanks": text + b" " * size,
        "nothing": chance.choice((b"", b" ", b"null", b"{}", b"\xff\xfe{\x00}\x00")),
        "too long": b"x" * 70_000 if size > 1000 else b"x",
    }
    return bytes(chance.choice(list(more.values())))


def spares_cam(name: str, data: bytes) -> bool:
    """Whether that payload leaves `cam` as it is."""
    if name not in ("pause", "threshold"):
        return True
    try:
        command = reading.command(KINDS[name], data)
    except reading.Refused:
        return True
    return getattr(command, "source", None) not in (None, "cam")


def commands(count: int, seed: int) -> Any:
    """So many (name, payload, retained); the same for the same seed."""
    chance = random.Random(seed)
    made = 0
    while made < count:
        name = chance.choice([*KINDS] * 3 + ["sauce", "\u00e4", "x" * 100])
        data = payload(chance, name, made)
        retained = chance.random() < 0.002
        if spares_cam(name, data):
            made += 1
            yield name, data, retained


@dataclass
class Seen:
    """What came back."""

    seqs: set[int] = field(default_factory=set)
    delays_s: list[float] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    last: Any = None

    def take(self, message: Any) -> None:
        """One message of the feed."""
        if message.topic.endswith("/event"):
            body = json.loads(message.payload)
            if not body["replayed"] and body["source"] == "cam":
                told = time.mktime(time.strptime(body["time"][:19], "%Y-%m-%dT%H:%M:%S"))
                told += float(body["time"][19:23]) - time.timezone
                self.delays_s.append(time.time() - told)
            self.seqs.add(body["seq"])
        elif message.topic.endswith("field/status"):
            self.status = json.loads(message.payload)


def reader(port: int, seen: Seen) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, "reader")
    client.on_message = lambda _c, _d, message: seen.take(message)
    topics = ("hedgerow/field/+/event", "hedgerow/field/status")
    client.on_connect = lambda c, *_: c.subscribe([(each, 1) for each in topics])
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


class Answers:
    """Counted by mosquitto_sub: in Python, who reads them all would be what is measured."""

    def __init__(self, port: int, folder: Path) -> None:
        self._path = folder / "answers"
        self._file = self._path.open("wb")
        topics = ("-t", f"{TOPIC}/+/result", "-q", "1")
        self._reader = subprocess.Popen(
            ["mosquitto_sub", "-p", str(port), *topics], stdout=self._file
        )

    def stop(self) -> None:
        """No more are read."""
        self._reader.terminate()
        self._reader.wait()
        self._file.close()

    def count(self, what: bytes = b"\n") -> int:
        """How many came, of all or of those."""
        return self._path.read_bytes().count(what)


def rss_mb(pid: int) -> float:
    """What the process holds, without its children."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def flood(port: int, count: int, seed: int) -> None:
    """The child, so that the reader has a process to itself: send them all."""
    sender = paho.Client(CallbackAPIVersion.VERSION2, "sender")
    sender.max_inflight_messages_set(AHEAD)
    sender.connect("127.0.0.1", port)
    sender.loop_start()
    under_way: deque[paho.MQTTMessageInfo] = deque()
    for name, data, retained in commands(count, seed):
        under_way.append(sender.publish(f"{TOPIC}/{name}", data, 1, retained))
        if len(under_way) >= AHEAD:
            under_way.popleft().wait_for_publish(20)
    for info in under_way:
        info.wait_for_publish(20)
    sender.disconnect()
    sender.loop_stop()


def run(count: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """The figures, and what of them is not as it should be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder, BROKER)
        broker._witness = None  # its schemas know nothing of hostile topics
        broker.start()
        try:
            return _run(folder, broker, count, seed)
        finally:
            broker.stop()


def _run(
    folder: Path, broker: Mosquitto, count: int, seed: int
) -> tuple[dict[str, Any], list[str]]:
    model = REPOSITORY / "models/person/model.tflite"
    config = folder / "edge.toml"
    config.write_text(CONFIG.format(model=model, broker=broker.address, folder=folder / "outbox"))
    seen = Seen()
    client = reader(broker.port, seen)
    errors = folder / "errors"
    with errors.open("w") as file:
        daemon = subprocess.Popen(edge_command("run", "--config", config), stderr=file)
    try:
        until_s = time.monotonic() + 60
        while len(seen.delays_s) < 20 and time.monotonic() < until_s:
            time.sleep(0.05)
        config.write_text("this is no TOML")
        answers = Answers(broker.port, folder)
        time.sleep(0.5)
        figures = _watched(broker.port, daemon, seen, answers, (count, seed))
        figures |= _answered(answers, seen)
    finally:
        daemon.terminate()
        figures_rc = daemon.wait(timeout=20)
        time.sleep(0.5)
        client.disconnect()
        client.loop_stop()
    log = errors.read_text(errors="replace")
    Path("/tmp/mqtt/last.log").write_text(log)
    figures |= {"exit status": figures_rc, "lines of the log": log.count("\n")}
    figures["connections"] = log.count(" connected, MQTT ")
    figures["tracebacks"] = log.count("Traceback") + log.count("unexpected")
    lost = set(range(min(seen.seqs), max(seen.seqs) + 1)) - seen.seqs
    figures |= {"events": len(seen.seqs), "events lost": len(lost)}
    return figures, _wrong(figures)


def _watched(
    port: int, daemon: subprocess.Popen[bytes], seen: Seen, answers: Answers, job: tuple[int, int]
) -> dict[str, Any]:
    """Until all are sent and answered."""
    count, seed = job
    memory: list[float] = []
    before_s = list(seen.delays_s)
    seen.delays_s.clear()
    began_s = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz_commands", "--port", str(port)]
    sender = subprocess.Popen([*command, "--count", str(count), "--seed", str(seed)])
    while sender.poll() is None or answers.count() < count:
        time.sleep(0.2)
        if sender.poll() is not None and daemon.poll() is not None:
            break
        if time.monotonic() - began_s > 60 + count / 100:
            break
        if time.monotonic() - began_s > WARM_S:
            memory.append(rss_mb(daemon.pid))
    took_s = time.monotonic() - began_s
    delays_s = list(seen.delays_s)
    memory.append(rss_mb(daemon.pid))
    return {
        "commands": count,
        "sender's exit status": sender.returncode,
        "seconds": round(took_s, 1),
        "latest event before, s": round(max(before_s, default=99.0), 3),
        "events later than 0.5 s": sum(delay_s > 0.5 for delay_s in delays_s),
        "events meanwhile": len(delays_s),
        "median event after, s": round(median(delays_s), 3),
        "latest event after, s": round(max(delays_s, default=99.0), 3),
        "memory, MB": round(memory[0], 1),
        "memory more, MB": round(max(memory) - memory[0], 1),
        "alive": daemon.poll() is None,
    }


def _answered(answers: Answers, seen: Seen) -> dict[str, Any]:
    answers.stop()
    return {
        "answered": answers.count(),
        "of those carried out": answers.count(b'"ok":true'),
        "answers without room": seen.status["dropped_messages"],
        "retained": seen.status["ignored_commands"],
    }


def _wrong(figures: dict[str, Any]) -> list[str]:
    right = {
        "the daemon ended": figures["alive"] and figures["exit status"] == 0,
        "events were lost": figures["events lost"] == 0,
        "no events came": figures["events meanwhile"] > 0,
        "events were late": figures["latest event after, s"] <= 0.5,
        "memory grew": figures["memory more, MB"] <= 10,
        "something raised": figures["tracebacks"] == 0,
        "commands were not answered": figures["answered"] >= figures["commands"],
    }
    return [what for what, fits in right.items() if not fits]


def main() -> None:
    """Print the figures; exit status 1 where one of them is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, help="a running broker: only send to it")
    given = parser.parse_args()
    if given.port is not None:
        flood(given.port, given.count, given.seed)
        return
    print("seed", given.seed, flush=True)
    figures, wrong = run(given.count, given.seed)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print("\n".join(wrong) or "all as it should be")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
