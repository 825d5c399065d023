"""Replays as readers ask for them: merged, bounded and called off."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config import MqttConfig, OutboxConfig
from edge.errors import TransientError
from edge.feed.clock import Clock
from edge.feed.entry import Entry
from edge.feed.mqtt import MqttClient
from edge.feed.outbox import Outbox
from tests.conftest import Mosquitto
from tests.integration.test_watching import event
from tests.listener import Listener, until
from tests.proxy import Proxy

EVENTS = 300


@pytest.fixture
def line(mosquitto: Mosquitto) -> Iterator[Proxy]:
    with Proxy(mosquitto.port) as proxy:
        yield proxy


def told(outbox: Outbox) -> None:
    for _ in range(EVENTS):
        seq = next(outbox.numbers)
        payload = json.dumps({"seq": seq, "replayed": False, "pad": "x" * 100})
        outbox.put(Entry(seq, "test/field/cam/event", payload, True, False, time.monotonic(), 0.0))
    assert outbox.flush(20) == 0


def test_two_thousand_replays_are_one_and_can_be_called_off(
    mosquitto: Mosquitto, line: Proxy, tmp_path: Path
) -> None:
    limits = OutboxConfig(replay_per_s=100)
    with (
        Listener(mosquitto.port) as listener,
        MqttClient(MqttConfig(broker=line.address), "field") as client,
        Outbox(tmp_path / "field.outbox", limits, client, Clock()) as outbox,
    ):
        told(outbox)
        assert outbox.replay(2**63 - 1) == 0
        assert outbox.replay(1, -5) == 0
        for _ in range(2000):
            assert outbox.replay(1) == EVENTS
        until(lambda: len(listener.events) > EVENTS + 20)
        assert 0 < outbox.cancel_replays() <= EVENTS
        time.sleep(0.2)
        known = len(listener.events)
        time.sleep(0.5)
        assert len(listener.events) == known
        assert outbox.cancel_replays() == 0
        with pytest.raises(TransientError, match="100 other replays wait"):
            for number in range(1, EVENTS, 2):
                outbox.replay(number, number)


def test_a_replay_outlives_its_connection(
    mosquitto: Mosquitto, line: Proxy, tmp_path: Path
) -> None:
    limits = OutboxConfig(replay_per_s=400)
    with (
        Listener(mosquitto.port) as listener,
        MqttClient(MqttConfig(broker=line.address), "field") as client,
        Outbox(tmp_path / "field.outbox", limits, client, Clock()) as outbox,
    ):
        told(outbox)
        outbox.replay(1)
        for count in (50, 120, 200):
            until(lambda count=count: sum(e["replayed"] for e in listener.events) > count)
            line.reset()
        again = {e["seq"] for e in listener.events if e["replayed"]}
        until(lambda: {e["seq"] for e in listener.events if e["replayed"]} == set(range(1, 301)))
        assert again != set(range(1, 301))


def test_a_readers_own_replay_outlives_its_connection_too(
    mosquitto: Mosquitto, line: Proxy, tmp_path: Path
) -> None:
    limits = OutboxConfig(replay_per_s=400)
    mine: list[int] = []
    with (
        Listener(mosquitto.port) as others,
        MqttClient(MqttConfig(broker=mosquitto.address), "") as reader,
        MqttClient(MqttConfig(broker=line.address), "field") as client,
        Outbox(tmp_path / "field.outbox", limits, client, Clock()) as outbox,
    ):
        own = "hedgerow/field/command/replay/to/me"
        reader.listen(own, lambda message: mine.append(json.loads(message.text)["seq"]))
        for _ in range(EVENTS):
            seq = next(outbox.numbers)
            text = json.dumps(event(seq))
            outbox.put(Entry(seq, "hedgerow/field/cam/event", text, True, False, 0.0, 0.0))
        assert outbox.flush(20) == 0
        until(lambda: len(others.events) == EVENTS and reader.connected.is_set())
        outbox.replay(1, reader="me")
        for count in (50, 150):
            until(lambda count=count: len(mine) > count)
            line.reset()
        until(lambda: set(mine) == set(range(1, EVENTS + 1)))
        assert len(others.events) == EVENTS, "nobody else notices"
