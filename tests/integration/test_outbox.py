"""No event is lost, whoever is killed: the daemon, the broker, the line between them.

The events come from tests/feed_source.py, which tells them through the daemon's own Feed, Outbox
and MQTT connection; test_bad_input.py does it with `edge run`, a video and no broker.
"""

import json
import os
import random
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config import MqttConfig, OutboxConfig
from edge.feed import payloads
from edge.feed.clock import Clock
from edge.feed.entry import Entry
from edge.feed.journal import Journal
from edge.feed.mqtt import MqttClient
from edge.feed.outbox import Outbox
from tests.conftest import Mosquitto
from tests.listener import Listener, Source, until
from tests.proxy import Proxy

EVENTS = int(os.environ.get("HEDGEROW_CHAOS_EVENTS", "10000"))
KEEPS = "allow_anonymous true\npersistence true\npersistence_location {}/\nmax_queued_messages 0\n"
"""A mosquitto that is stopped, not killed, keeps what it owes to its readers."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    made = Mosquitto(folder, KEEPS.format(folder))
    made.start()
    yield made
    made.stop()


def test_chaos(broker: Mosquitto, tmp_path: Path) -> None:
    """The daemon is killed 20 times and the broker stopped 20 times while 10,000 events are told.

    HEDGEROW_CHAOS_SEED repeats a run, HEDGEROW_CHAOS_EVENTS changes its size.
    """
    seed = int(os.environ.get("HEDGEROW_CHAOS_SEED", str(random.randrange(10**6))))
    print(f"HEDGEROW_CHAOS_SEED={seed}")
    chance = random.Random(seed)
    source = Source(tmp_path, broker.address, replay_per_s=5000.0)
    blows = ["kill"] * 20 + ["stop"] * 20
    chance.shuffle(blows)
    marks = sorted(chance.randrange(EVENTS) for _ in blows)
    with Listener(broker.port) as listener:
        source.start(EVENTS)
        for blow, mark in zip(blows, marks, strict=True):
            until(lambda mark=mark: source.stored >= mark)
            time.sleep(chance.uniform(0, 0.05))
            if blow == "kill":
                source.kill()
                source.start(EVENTS)
            else:
                broker.stop()
                time.sleep(chance.uniform(0, 0.3))
                broker.start()
        source.wait(120)
        until(lambda: len({e["frames_seen"] for e in listener.events}) == EVENTS)
        twice = listener.check(EVENTS)
    print(f"{EVENTS} events, 0 lost, 0 out of order, {twice} twice")


def test_a_line_that_is_reset_or_swallows_everything_loses_nothing(
    broker: Mosquitto, tmp_path: Path
) -> None:
    chance = random.Random(7)
    with Proxy(broker.port) as proxy, Listener(broker.port) as listener:
        source = Source(tmp_path, proxy.address)
        source.start(1500, rate=300)
        for turn in range(8):
            until(lambda turn=turn: source.stored >= 150 * (turn + 1))
            if turn % 2:
                proxy.black_hole.set()
                time.sleep(chance.uniform(0.1, 0.5))
                proxy.reset()
                proxy.black_hole.clear()
            else:
                proxy.reset()
        source.wait()
        until(lambda: len({e["frames_seen"] for e in listener.events}) == 1500)
        listener.check(1500)


def test_a_daemon_that_was_killed_without_a_broker_delivers_with_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    late = Mosquitto(folder)
    source = Source(tmp_path, late.address)
    source.start(300)
    until(lambda: source.stored == 300)
    source.kill()
    late.start()
    try:
        with Listener(late.port) as listener:
            source.start(300)
            source.wait()
            until(lambda: len(listener.events) == 300)
            assert listener.check(300) == 0
            assert all(event["replayed"] for event in listener.events)
            assert source.continued == 301
    finally:
        late.stop()


def test_a_full_disk_delays_nothing_and_is_reported(broker: Mosquitto, tmp_path: Path) -> None:
    """RLIMIT_FSIZE: the journal cannot grow; SQLite sees the same as on a full disk."""
    source = Source(tmp_path, broker.address)
    with Listener(broker.port) as listener:
        source.start(1200, rate=300, limit=200_000)
        until(lambda: "events wait in memory meanwhile" in source.errors.read_text())
        assert source.stored < 400, "what 200 kB hold"
        until(lambda: len(listener.events) >= source.stored + 100)
        source.limit(resource.RLIM_INFINITY)
        until(lambda: "takes events again" in source.errors.read_text())
        source.wait()
        until(lambda: len(listener.events) >= 1200)
        listener.check(1200)


def test_a_damaged_journal_is_moved_aside(broker: Mosquitto, tmp_path: Path) -> None:
    source = Source(tmp_path, broker.address)
    with Listener(broker.port) as listener:
        source.start(500)
        source.wait()
        journal = tmp_path / "state" / "field.outbox"
        data = journal.read_bytes()
        journal.write_bytes(data[:12288] + random.Random(1).randbytes(len(data) - 12288))
        source.missing, source.stored, told = None, 0, len(listener.events)
        source.start(300)
        source.wait()
        until(lambda: len(listener.events) >= told + 300)
    assert "is damaged: moved to" in source.errors.read_text()
    assert journal.with_suffix(".damaged").exists()


def test_a_journal_that_is_damaged_while_it_is_used(broker: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "state" / "field.outbox"
    section = MqttConfig(broker=broker.address)
    with MqttClient(section, "field") as client, Listener(broker.port) as listener:
        with Outbox(path, OutboxConfig(), client, Clock()) as outbox:
            for _ in range(2000):
                put(outbox)
            assert outbox.flush(20) == 0
        with Outbox(path, OutboxConfig(), client, Clock()) as outbox:
            with path.open("r+b") as file:
                file.seek(4096 * 20)
                file.write(random.Random(1).randbytes(4096 * 100))
            outbox.replay(1)
            until(path.with_suffix(".damaged").exists)
            put(outbox)
            assert outbox.flush(20) == 0
            until(lambda: listener.events[-1]["seq"] == 2001)
            assert outbox.status().durable


def test_started_on_a_full_disk_it_is_durable_soon_after_there_is_room(
    broker: Mosquitto, tmp_path: Path
) -> None:
    source = Source(tmp_path, broker.address)
    with Listener(broker.port) as listener:
        source.start(900, rate=150, limit=12_000)
        until(lambda: "events wait in memory" in source.errors.read_text())
        until(lambda: len(listener.events) > 100)
        source.limit(resource.RLIM_INFINITY)
        began_s = time.monotonic()
        until(lambda: "takes events again" in source.errors.read_text())
        assert time.monotonic() - began_s < 10
        source.kill()
        source.start(900, rate=1000)
        source.wait()
        assert source.continued > 100, "they are in the journal"
        until(lambda: len(listener.events) >= 900)
        listener.check(900)
    assert {event["seq"] for event in listener.events} == set(range(1, 901)), "no gap"


def test_the_status_says_since_when_which_events_are_only_in_memory(
    broker: Mosquitto, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.write_text("a file where the folder should be")
    with (
        MqttClient(MqttConfig(broker=broker.address), "field") as client,
        Outbox(state / "field.outbox", OutboxConfig(), client, Clock()) as outbox,
    ):
        began = payloads.iso(time.time())
        for _ in range(5):
            put(outbox)
        assert outbox.flush(10) == 0, "the broker has them meanwhile"
        status = outbox.status()
        assert not status.durable and "outbox.folder" in status.reason
        assert status.memory_since is not None and status.memory_since <= began
        assert (status.memory_from_seq, status.memory_to_seq) == (1, 5)
        state.unlink()
        until(lambda: outbox.status().durable, 10)
        status = outbox.status()
        assert (status.memory_since, status.memory_from_seq, status.memory_to_seq) == (None,) * 3
        put(outbox)
        assert outbox.flush(10) == 0
    book = Journal(state / "field.outbox", OutboxConfig())
    assert [entry.seq for entry in book.between(0, 99, 99)] == [1, 2, 3, 4, 5, 6]
    assert book.delivered == 6
    book.close()


def test_a_journal_that_is_deleted_while_it_is_used_is_written_anew(
    broker: Mosquitto, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with MqttClient(MqttConfig(broker=broker.address), "field") as client:
        with Outbox(state / "field.outbox", OutboxConfig(), client, Clock()) as outbox:
            put(outbox)
            until(lambda: outbox.stored == 1)
            shutil.rmtree(state)
            put(outbox)
            until((state / "field.outbox").exists, 10)
            until(lambda: outbox.status().durable)
            put(outbox)
            assert outbox.flush(10) == 0
        book = Journal(state / "field.outbox", OutboxConfig())
        assert ([e.seq for e in book.between(0, 9, 9)], book.delivered) == ([1, 2, 3], 3)
        book.close()


def test_a_journal_that_nobody_could_read_delivers_once_it_can_be_opened(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """It holds numbers that are not known: those that are told meanwhile are above them."""
    state, away = tmp_path / "state", tmp_path / "away"
    book = Journal(state / "field.outbox", OutboxConfig())
    book.append([made(seq) for seq in range(1, 4)])
    book.close()
    state.rename(away)
    (state / "field.outbox").mkdir(parents=True)
    with (
        Listener(broker.port) as listener,
        MqttClient(MqttConfig(broker=broker.address), "field") as client,
        Outbox(state / "field.outbox", OutboxConfig(), client, Clock()) as outbox,
    ):
        put(outbox)
        assert outbox.flush(10) == 0
        shutil.rmtree(state)
        away.rename(state)
        until(lambda: outbox.status().durable, 10)
        assert outbox.flush(10) == 0
        until(lambda: len({event["seq"] for event in listener.events}) == 4)
        assert {1, 2, 3} < {event["seq"] for event in listener.events}
        assert max(event["seq"] for event in listener.events) == outbox.stored > 10**12


def test_the_thread_lives_on_when_another_daemon_takes_the_place_of_a_damaged_journal(
    broker: Mosquitto, tmp_path: Path
) -> None:
    path = tmp_path / "state" / "field.outbox"
    with (
        MqttClient(MqttConfig(broker=broker.address), "field") as client,
        Outbox(path, OutboxConfig(), client, Clock()) as outbox,
    ):
        put(outbox)
        assert outbox.flush(10) == 0
        shutil.rmtree(path.parent)
        other = Journal(path, OutboxConfig())
        other.append([made(1)])
        until(lambda: "another daemon holds this outbox" in outbox.status().reason, 10)
        put(outbox)
        assert outbox.flush(10) == 0
        other.close()
        path.unlink()
        until(lambda: outbox.status().durable, 10)


def put(outbox: Outbox) -> None:
    outbox.put(made(next(outbox.numbers)))


def made(seq: int) -> Entry:
    payload = json.dumps({"id": f"field-{seq}", "seq": seq, "pad": "x" * 600})
    return Entry(seq, "test/field/cam/event", payload, True, False, time.monotonic(), 0.0)


def test_a_broker_that_accepts_and_never_acknowledges(tmp_path: Path) -> None:
    from tests.mute_broker import MuteBroker

    with MuteBroker() as mute:
        source = Source(tmp_path, mute.address)
        source.start(300)
        until(lambda: source.stored == 300)
        until(lambda: sum(topic.endswith("/event") for topic in mute.topics) == 100)
        time.sleep(0.3)
        assert sum(topic.endswith("/event") for topic in mute.topics) == 100, "the window"
        source.kill()
    folder = tmp_path / "broker"
    folder.mkdir()
    good = Mosquitto(folder)
    good.start()
    try:
        with Listener(good.port) as listener:
            again = Source(tmp_path, good.address)
            again.start(300)
            again.wait()
            until(lambda: len(listener.events) == 300)
            listener.check(300)
    finally:
        good.stop()


@pytest.mark.parametrize("limit", ["message_size_limit 400", "max_packet_size 400"])
def test_a_payload_over_the_brokers_limit_is_set_aside(tmp_path: Path, limit: str) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    strict = Mosquitto(folder, f"allow_anonymous true\n{limit}\n")
    strict.start()
    try:
        source = Source(tmp_path, strict.address)
        source.start(20)
        source.wait()
    finally:
        strict.stop()
    assert "refuses event 20: " in source.errors.read_text()
