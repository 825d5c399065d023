"""The power is cut at random moments while events flow: none that was stored or acknowledged is
lost, none comes out of order, and the service is up again by itself.

HEDGEROW_POWER_CUTS sets how often (default 3). Once with a boot after each cut and a broker outside
that outlives them, frozen before every third one, so that events wait in the outbox; once with a
look at the disk after each cut instead, as it lies there.
"""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import Mosquitto
from tests.device.conftest import FLOW, Installation, configure, until_status
from tests.device.vm import BROKER, Machine

CUTS = int(os.environ.get("HEDGEROW_POWER_CUTS", "3"))
SEED = int(os.environ.get("HEDGEROW_CHAOS_SEED", time.time_ns() % 1_000_000))
LABEL_S = 300.0


class Outside(Mosquitto):
    """A broker that can be frozen."""

    def freeze(self, frozen: bool) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)


class Book:
    """Who reads the feed all the time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.events: list[tuple[int, str, str]] = []
        """seq, id and time, in the order of arrival, repetitions included."""
        self.stored: list[tuple[str, int]] = []
        """boot_id and the last stored seq, of each status."""

    def take(self, message: Message) -> None:
        body = json.loads(message.payload)
        with self._lock:
            if message.topic.endswith("/event"):
                self.events.append((body["seq"], body["id"], body["started"]))
            elif body["outbox"] is not None:
                self.stored.append((body["boot_id"], body["outbox"]["last_seq"]))

    def firsts(self) -> list[int]:
        """Every seq once, where it came first."""
        with self._lock:
            return list(dict.fromkeys(seq for seq, _, _ in self.events))

    def wait_for(self, count: int) -> None:
        """Until so many different events are there."""
        until_s = time.monotonic() + LABEL_S
        while len(self.firsts()) < count:
            assert time.monotonic() < until_s, f"{len(self.firsts())} events of {count}"
            time.sleep(0.2)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    broker = Outside(tmp_path, "allow_anonymous true\nmax_queued_messages 0\n")
    broker.start()
    yield broker
    broker.freeze(frozen=False)
    broker.stop()


def test_power_cuts_lose_nothing(installation: Installation, outside: Outside) -> None:
    dice = random.Random(SEED)
    print(f"\nHEDGEROW_CHAOS_SEED={SEED}")
    book = Book()
    client = MqttClient(MqttConfig(broker=outside.address), "reader")
    client.listen("hedgerow/lab/cam/event", book.take)
    client.listen("hedgerow/lab/status", book.take)
    with client, Machine(*installation, outside.port) as device:
        configure(device, FLOW + f'[mqtt]\nbroker = "mqtt://{BROKER}"\n')
        book.wait_for(10)
        for number in range(CUTS):
            cut(device, book, outside, dice, frozen=number % 3 == 2)
            print(f"cut {number + 1}: {len(book.firsts())} events, no gap")
        device.run("systemctl stop edge", 60)
    seqs = book.firsts()
    assert seqs == list(range(1, len(seqs) + 1)), "a gap, or out of order"
    told = {seq: (story, started) for seq, story, started in book.events}
    assert len(told) == len(set(book.events)), "one seq was given to two events"


def cut(device: Machine, book: Book, outside: Outside, dice: random.Random, frozen: bool) -> None:
    """One power cut and what must hold after the boot that follows."""
    if frozen:
        outside.freeze(frozen=True)
    time.sleep(dice.uniform(0.5, 12.0))
    device.power_cut()
    if frozen:
        outside.freeze(frozen=False)
    time.sleep(1.0)  # what is on its way in the broker
    before, stored = book.firsts(), max((seq for _, seq in book.stored), default=0)
    statuses = len(book.stored)
    device.start()
    book.wait_for(len(before) + 5)  # nobody touched it: the service is up by itself
    after = book.firsts()
    assert after[: len(before)] == before
    assert after == list(range(1, len(after) + 1)), "a gap, or out of order"
    assert max(seq for _, seq in book.stored[statuses:]) >= max(stored, *before)
    assert "damaged" not in device.run("ls /var/lib/hedgerow")
    assert device.run("systemctl is-active edge").strip() == "active"


TELL = (
    r"mosquitto_sub -q 1 -t hedgerow/lab/cam/event | sed -u 's/.*.seq.:\([0-9]*\).*/seq \1./' "
    "> /dev/ttyS0"
)
"""A reader in the guest: what the broker has acknowledged goes to the serial port, at once."""


@pytest.fixture(scope="session")
def flowing(installation: Installation) -> Installation:
    """The service on the guest's own broker, events flowing, a reader that says which came."""
    made = Installation(installation.folder, f"{installation.name}-flow")
    if not (made.folder / f"{made.name}.state").exists():
        with Machine(*installation) as machine:
            configure(machine, FLOW)
            until_status(machine, "cam ", "frames/s", "broker connected")
            machine.run("mosquitto_sub -C 3 -t hedgerow/lab/cam/event")
            machine.run(f'systemd-run -q --unit=reader sh -c "{TELL}"')
            machine.keep(made.name)
    return made


def told(device: Machine) -> list[int]:
    """The events that the guest's reader got."""
    return [int(seq) for seq in re.findall(r"seq (\d+)\.", device.console())]


def test_the_disk_has_every_event_that_was_acknowledged(
    flowing: Installation, tmp_path: Path
) -> None:
    dice = random.Random(SEED)
    print(f"\nHEDGEROW_CHAOS_SEED={SEED}")
    for number in range(CUTS):
        with Machine(*flowing) as device:
            until_s = time.monotonic() + LABEL_S
            while len(told(device)) < 3:
                assert time.monotonic() < until_s, device.console()
                time.sleep(0.05)
            time.sleep(dice.uniform(0.0, 5.0))
            device.power_cut()
            acknowledged = told(device)
            stored = journal(device, tmp_path)
        assert stored == list(range(1, len(stored) + 1)), "a gap, or out of order"
        assert stored[-1] >= acknowledged[-1]
        assert acknowledged == list(range(acknowledged[0], acknowledged[-1] + 1))
        print(f"cut {number + 1}: {acknowledged[-1]} acknowledged, {stored[-1]} on the disk")


def journal(device: Machine, folder: Path) -> list[int]:
    """Every seq in the outbox on the disk of a machine that is off, in the order of the rows."""
    raw, mounted = folder / "raw", folder / "mounted"
    mounted.mkdir(exist_ok=True)
    command = ["qemu-img", "convert", "-O", "raw", str(device.disk), str(raw)]
    subprocess.run(command, check=True)
    subprocess.run(["mount", "-o", "loop", raw, mounted], check=True)
    try:
        with closing(sqlite3.connect(mounted / "var/lib/hedgerow/lab.outbox")) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return [seq for (seq,) in db.execute("SELECT seq FROM journal ORDER BY rowid")]
    finally:
        subprocess.run(["umount", mounted], check=True)
        raw.unlink()
