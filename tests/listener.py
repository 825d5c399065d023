"""What the feed's crash tests stand on: a reader that misses nothing, a source to be killed."""

import json
import resource
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from threading import Thread
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.conftest import REPOSITORY

SOURCES = 3


class Listener:
    """A reader with a session of its own on the broker: what it was sent, in order."""

    def __init__(self, port: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, "listener", clean_session=False, protocol=paho.MQTTv311
        )
        self._client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]
        self._client.on_connect = lambda client, *_: client.subscribe("+/+/+/event", 1)
        self._client.on_message = lambda _c, _d, m: self.events.append(json.loads(m.payload))
        self._client.connect_async("127.0.0.1", port)

    def __enter__(self) -> "Listener":
        self._client.loop_start()
        until(self._client.is_connected)
        time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_connect = self._client.on_message = None

    def check(self, total: int) -> int:
        """All there, in order of each source, duplicates only with the same id; counts them."""
        order: dict[str, list[int]] = defaultdict(list)
        known: dict[int, tuple[object, ...]] = {}
        for event in self.events:
            number, source = event["frames_seen"], event["source"]
            name = (event["id"], event["seq"], event["boot_id"])
            if number in known:
                assert known[number] == name, "the same event with another id"
                continue
            known[number] = name
            order[source].append(number)
        lost = set(range(1, total + 1)) - set(known)
        assert not lost, f"{len(lost)} lost, the first of them {min(lost)}"
        for numbers in order.values():
            assert numbers == sorted(numbers), "out of order"
        assert len({name[1:] for name in known.values()}) == len(known)
        return len(self.events) - len(known)


class Source:
    """tests/feed_source.py in a process of its own."""

    def __init__(self, folder: Path, broker: str, **outbox: object) -> None:
        self._config = folder / "edge.toml"
        settings = "".join(f"{key} = {value}\n" for key, value in outbox.items())
        self._config.write_text(
            f'device = "field"\n[mqtt]\nbroker = "{broker}"\n[outbox]\n{settings}'
            f'folder = "{folder}/state"\n'
        )
        self.stored = self.continued = 0
        self.missing: int | None = None
        self.errors = folder / "errors.txt"
        self.process: subprocess.Popen[str] | None = None

    def start(self, total: int, rate: float = 0.0, limit: int = 0) -> None:
        """`limit`: no file may grow beyond it, bytes."""
        program = (sys.executable, "-m", "tests.feed_source")
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                [*program, str(self._config), str(total), str(SOURCES), str(rate)],
                stdout=subprocess.PIPE, stderr=errors, text=True, cwd=REPOSITORY,
            )  # fmt: skip
        if limit:
            self.limit(limit)
        Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def limit(self, size: int) -> None:
        assert self.process is not None
        sizes = (size, resource.RLIM_INFINITY)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, sizes)

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            word, _, number = line.partition(" ")
            if not number.strip().isdecimal():
                continue  # cut off by the kill
            match word:
                case "from":
                    assert int(number) > self.stored, "the journal has lost what was stored"
                    self.continued = int(number)
                case "stored" if line.endswith("\n"):
                    self.stored = int(number)
                case "missing":
                    self.missing = int(number)
        process.stdout.close()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def wait(self, timeout_s: float = 60) -> None:
        assert self.process is not None
        self.process.wait(timeout=timeout_s)
        assert self.process.returncode == 0, self.errors.read_text()
        until(lambda: self.missing is not None)
        assert self.missing == 0


def until(fulfilled: Any, timeout_s: float = 20.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not fulfilled():
        assert time.monotonic() < end_s, "in vain"
        time.sleep(0.01)
