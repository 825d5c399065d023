"""The power is cut at random moments while events flow: none that was stored or acknowledged is
lost, none comes out of order, and the service is up again by itself.

HEDGEROW_POWER_CUTS sets how often (default 3). The broker and its reader are outside, so they
outlive every cut; every third time the broker is frozen before, so that events wait in the outbox.
"""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.conftest import Mosquitto
from tests.device.conftest import FLOW, configure, image
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


def test_power_cuts_lose_nothing(installation: str, outside: Outside) -> None:
    dice = random.Random(SEED)
    print(f"\nHEDGEROW_CHAOS_SEED={SEED}")
    book = Book()
    client = MqttClient(MqttConfig(broker=outside.address), "reader")
    client.listen("hedgerow/lab/cam/event", book.take)
    client.listen("hedgerow/lab/status", book.take)
    with client, Machine(image("amd64"), installation, outside.port) as device:
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
