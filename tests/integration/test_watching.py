"""`edge watch` and `edge feed lint` only read: they end when they say, and nobody else notices."""

import csv
import io
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from edge.config import MqttConfig, OutboxConfig
from edge.daemon.commander import Commander
from edge.feed.clock import Clock
from edge.feed.commands import Commands
from edge.feed.denied import Denied
from edge.feed.entry import Entry
from edge.feed.lint import Lint
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from edge.feed.outbox import Outbox
from edge.feed.reader import Received
from tests.conftest import Edge, Mosquitto, need
from tests.listener import Listener, until

EVENTS = 30
LABELS = ("=1+1", "+cmd", "-2", "@SUM(A1)", "＝1", "person", 'a, "b"')  # noqa: RUF001
MODEL = {"name": "m", "version": "1", "sha256": "0" * 64, "delegate": "cpu"}


def event(seq: int, **keys: Any) -> dict[str, Any]:
    moment = f"2026-06-01T12:00:{seq % 60:02}.000Z"
    return {
        "schema": "hedgerow.event/1", "event_type": "start", "id": f"field-b-{seq}", "seq": seq,
        "boot_id": "b", "device": "field", "source": "cam", "label": LABELS[seq % len(LABELS)],
        "score": 0.5, "box": None, "track": 3, "change": "entered", "place": "gate",
        "direction": None, "zones": ["gate", "yard"], "dwell_s": {}, "view": "ok", "time": moment,
        "clock": {"synced": True, "virtual": False, "corrected": False}, "started": moment,
        "duration_s": 0.0, "frames_seen": 1, "frames_agreeing": 1, "model": MODEL,
        "replayed": False,
    } | keys  # fmt: skip


class Device:
    """What of a daemon answers to readers, without a camera."""

    def __init__(self, client: MqttClient, outbox: Outbox, commands: Commands) -> None:
        self.client = client
        self.outbox = outbox
        self._commander = Commander(commands, {}, {}, outbox)

    def tell(self, number: int) -> None:
        for _ in range(number):
            seq = next(self.outbox.numbers)
            text = json.dumps(event(seq))
            topic = "hedgerow/field/cam/event"
            self.outbox.put(Entry(seq, topic, text, True, False, time.monotonic(), 0.0))
        assert self.outbox.flush(10) == 0

    def run(self, over: Event) -> None:
        """Obey, and say all the time that there is nothing new."""
        while not over.wait(0.01):
            self._commander.step(dict, lambda: None)  # type: ignore[arg-type]
            if int(time.monotonic() * 100) % 20 == 0:
                for topic in ("field/status", "field/cam/summary"):
                    self.client.publish(Message(f"hedgerow/{topic}", "", retain=True))


@contextmanager
def device(address: str, folder: Path) -> Iterator[Device]:
    over = Event()
    limits = OutboxConfig(replay_per_s=500)
    with (
        MqttClient(MqttConfig(broker=address), "field") as client,
        Outbox(folder / "field.outbox", limits, client, Clock()) as outbox,
    ):
        assert client.connected.wait(5)
        made = Device(client, outbox, Commands("field", client, Clock()))
        thread = Thread(target=made.run, args=(over,))
        thread.start()
        try:
            yield made
        finally:
            over.set()
            thread.join()


def test_a_replay_goes_to_who_asked_and_to_nobody_else(
    edge: Edge, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with Listener(mosquitto.port) as other, device(mosquitto.address, tmp_path) as field:
        field.tell(EVENTS)
        until(lambda: len(other.events) == EVENTS)
        watch = ("watch", "--broker", mosquitto.address, "--device", "field", "--timeout", "1")
        began_s = time.monotonic()
        done = edge(*watch, "--since", "3", "--csv")
        assert time.monotonic() - began_s < 8, "a status comes all the time, and is nothing new"
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        assert [int(row["seq"]) for row in rows] == list(range(3, EVENTS + 1)), done.stderr
        lines = edge(*watch, "--since", "29", "--json", "--label", "person").stdout.splitlines()
        for line in map(json.loads, lines):
            assert (line["source"], line["kind"], line["payload"]["replayed"]) == (
                "cam", "event", True,
            )  # fmt: skip
        assert len(other.events) == EVENTS, "a reader that did not ask gets nothing"
        field.outbox.replay(EVENTS)  # as command/replay without a reader: on the topic itself
        until(lambda: len(other.events) == EVENTS + 1)
        assert other.events[-1] == event(EVENTS, replayed=True)


def test_who_asks_a_device_that_is_not_there_is_told(edge: Edge, mosquitto: Mosquitto) -> None:
    watch = ("watch", "--broker", mosquitto.address, "--device", "nobody", "--since", "1")
    done = edge(*watch, "--timeout", "0.5")
    assert done.returncode == 1
    assert "device nobody does not answer to command/replay" in done.stderr


def test_csv_has_every_field_and_no_formula(
    edge: Edge, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with device(mosquitto.address, tmp_path) as field:
        field.tell(len(LABELS))
        watch = ("watch", "--broker", mosquitto.address, "--device", "field", "--timeout", "0.5")
        rows = list(csv.DictReader(io.StringIO(edge(*watch, "--since", "1", "--csv").stdout)))
    told = {LABELS[int(row["seq"]) % len(LABELS)]: row["label"] for row in rows}
    assert told == {text: text if text[0] in "pa" else f"'{text}" for text in LABELS}
    first = rows[0]
    wanted = ("change", "place", "direction", "track", "zones", "view", "score")
    assert [first[key] for key in wanted] == ["entered", "gate", "", "3", "gate yard", "ok", "0.5"]


def test_a_table_of_states_ends_however_much_is_said(edge: Edge, mosquitto: Mosquitto) -> None:
    over = Event()
    moment = "2026-06-01T12:00:00.000Z"
    state: dict[str, Any] = {
        "schema": "hedgerow.state/1", "device": "field", "source": "cam", "label": None,
        "score": None, "since": None, "labels": [], "time": moment,
    }  # fmt: skip
    with MqttClient(MqttConfig(broker=mosquitto.address), "") as client:
        assert client.connected.wait(5)

        def say() -> None:
            while not over.wait(0.1):
                client.publish(Message("hedgerow/field/cam/state", json.dumps(state)))

        client.publish(Message("hedgerow/field/cam/state", json.dumps(state), retain=True))
        thread = Thread(target=say)
        thread.start()
        try:
            done = edge("watch", "--broker", mosquitto.address, "--states", timeout_s=15)
        finally:
            over.set()
            thread.join()
    assert [line.split()[:2] for line in done.stdout.splitlines()][1] == ["field/cam", "nothing"]


@pytest.mark.parametrize("seconds", ["nan", "0", "-1", "inf", "1e99", "soon"])
def test_a_time_that_never_ends_is_refused(edge: Edge, seconds: str) -> None:
    for command in (("watch", "--timeout"), ("feed", "lint", "--seconds")):
        done = edge(*command, seconds)
        assert done.returncode == 2
        assert "expected a number of seconds above 0" in done.stderr


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    need(shutil.which("openssl") is not None, "openssl")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(*new, "-x509", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("broker", "reader"):
        openssl(*new, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-copy_extensions", "copy", "-out", f"{name}.pem")  # fmt: skip
    return tmp_path


def test_watch_and_lint_open_what_the_daemon_opens(edge: Edge, certificates: Path) -> None:
    keys = certificates
    settings = f"cafile {keys}/ca.pem\ncertfile {keys}/broker.pem\nkeyfile {keys}/broker.key\n"
    broker = Mosquitto(keys, f"{settings}require_certificate true\nallow_anonymous  true\n")
    broker.start()
    try:
        address = broker.address.replace("mqtt:", "mqtts:")
        watch = ("watch", "--timeout", "0.5", "--broker", address, "--ca-file", keys / "ca.pem")
        done = edge(*watch)
        assert done.returncode == 78
        assert "asks for a client certificate: give mqtt.cert_file" in done.stderr
        assert "MQTT 5" not in done.stderr
        ours = ("--cert-file", keys / "reader.pem", "--key-file", keys / "reader.key")
        assert edge(*watch, *ours).returncode == 0
        config = keys / "edge.toml"
        config.write_text(
            f'device = "yard"\n[mqtt]\nbroker = "{address}"\nca_file = "{keys}/ca.pem"\n'
            f'cert_file = "{keys}/reader.pem"\nkey_file = "{keys}/reader.key"\n'
        )
        done = edge("watch", "--config", config, "--since", "1", "--timeout", "0.5")
        assert "device yard does not answer" in done.stderr
        done = edge("feed", "lint", "--config", config, "--seconds", "0.5")
        assert done.stdout == "0 messages (none), 0 problems\n"
    finally:
        broker.stop()


def test_lint_checks_answers_too_and_misses_no_schema() -> None:
    answer = {"device": "field", "command": "cancel", "id": "", "ok": True, "error": "",
              "time": "2026-06-01T12:00:00.000Z"}  # fmt: skip

    def lint(body: dict[str, Any]) -> list[str]:
        received = Received("field", "command", "result", json.dumps(body), 0.0, False)
        return Lint().check(received)

    assert lint(answer) == ["schema: Field required"]
    assert lint(answer | {"schema": "hedgerow.result/1"}) == []


def test_replays_that_a_broker_denies_are_listed_as_one_topic() -> None:
    denied = Denied("mqtt://here")
    for number in range(3):
        denied.refuse(f"hedgerow/field/command/replay/to/reader-{number}", "Not authorized")
    assert denied.topics == ("hedgerow/field/command/replay/to/+",)
    denied.accept("hedgerow/field/command/replay/to/reader-7")
    assert not denied.topics
