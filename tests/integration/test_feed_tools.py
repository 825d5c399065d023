"""watch grown up, feed lint, and the file that rotates."""

import csv
import io
import json
import threading
from pathlib import Path

from edge.config import FileConfig, MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from edge.feed.sinks import JsonFile
from tests.conftest import Edge, Mosquitto


def video(edge: Edge, broker: Mosquitto, vww: Path, testdata: Path) -> None:
    done = edge(
        "run", "--source", f"door=file:{testdata}/videos/one-by-one-person-detection.mp4",
        "--model", vww, "--broker", broker.address, "--device", "field",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_watch_filters_and_exports(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path
) -> None:
    found = {}

    def watch(name: str, *options: str) -> None:
        command = ("watch", "--broker", mosquitto.address, "--timeout", "5", *options)
        found[name] = edge(*command).stdout.splitlines()

    watches = [
        threading.Thread(target=watch, args=arguments)
        for arguments in (
            ("csv", "--csv"), ("cat", "--label", "cat", "--json"), ("barn", "--source", "barn"),
            ("person", "--label", "person", "--json"),
        )
    ]  # fmt: skip
    for thread in watches:
        thread.start()
    threading.Event().wait(1.5)
    video(edge, mosquitto, vww, testdata)
    for thread in watches:
        thread.join()
    rows = list(csv.DictReader(io.StringIO("\n".join(found["csv"]))))
    assert [row["event_type"] for row in rows[:2]] == ["start", "end"]
    assert {row["label"] for row in rows} == {"person"}
    assert found["cat"] == found["barn"] == []
    events = [json.loads(line)["payload"] for line in found["person"]]
    assert [event["seq"] for event in events] == [int(row["seq"]) for row in rows]

    table = edge("watch", "--broker", mosquitto.address, "--states").stdout.splitlines()
    assert [line.split()[:2] for line in table] == [["source", "label"], ["field/door", "nothing"]]
    assert edge("watch", "--since", "1").returncode == 2


def test_lint_finds_what_is_wrong(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path
) -> None:
    video(edge, mosquitto, vww, testdata)
    lint = ("feed", "lint", "--broker", mosquitto.address, "--seconds", "1")
    done = edge(*lint)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(", 0 problems\n")
    # not under hedgerow/field, whose every message this broker's witness would refuse
    with MqttClient(MqttConfig(broker=mosquitto.address), "") as client:
        assert client.connected.wait(5)
        client.publish(Message("hedgerow/other/availability", "online", retain=True))
        client.flush(5)
    assert edge(*lint, "--device", "nobody").returncode == 1, "silence is no feed"


def test_lint_names_topic_key_and_order() -> None:
    from edge.feed.lint import Lint
    from edge.feed.reader import Received

    def received(kind: str, payload: str, retained: bool = False) -> Received:
        return Received("field", "cam", kind, payload, 0.0, retained)

    lint = Lint()
    assert lint.check(received("availability", "maybe")) == [
        "expected online or offline, got 'maybe'"
    ]
    assert lint.check(received("state", "{}"))[0].startswith("device: Field required")
    assert "is retained" in lint.check(received("event", "{}", retained=True))[0]


def test_a_file_of_json_lines_rotates(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonFile(FileConfig(path=path, max_bytes=4096, keep=2))
    for number in range(100):
        sink.publish(Message("hedgerow/field/cam/event", json.dumps({"n": number, "p": "x" * 90})))
        sink.publish(Message("hedgerow/field/cam/state", "{}"))
    sink.close()
    names = ("events.jsonl.2", "events.jsonl.1", "events.jsonl")
    lines = [line for name in names for line in (tmp_path / name).read_text().splitlines()]
    numbers = [json.loads(line)["n"] for line in lines]
    assert numbers == list(range(numbers[0], 100)), "in order, the oldest gone, states not in it"
    assert sorted(p.name for p in tmp_path.glob("events*")) == sorted(names)
