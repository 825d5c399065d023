"""`edge run` against a real mosquitto: what a reader of the feed gets."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from edge.config import MqttConfig
from edge.feed.payloads import EventPayload, ObservationPayload, StatePayload, StatusPayload
from edge.feed.reader import Reader, Received
from tests.conftest import Edge, Mosquitto, edge_command

PERSON_VIDEO = "videos/one-by-one-person-detection.mp4"


def read(broker: Mosquitto) -> Reader:
    return Reader(MqttConfig(broker=broker.address), "field")


def until(reader: Reader, kind: str, payload: str = "", timeout_s: float = 20) -> list[Received]:
    """Messages up to the first of that kind (and payload) for the whole device or a source."""
    seen = []
    for received in reader.messages(timeout_s):
        seen.append(received)
        if received.kind == kind and (not payload or received.payload == payload):
            return seen
    raise AssertionError(f"no {kind} {payload} among {[(r.kind, r.payload) for r in seen]}")


def bodies(seen: list[Received], kind: str) -> list[dict[str, Any]]:
    return [json.loads(r.payload) for r in seen if r.kind == kind]


def test_a_video_becomes_person_events(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path
) -> None:
    with read(mosquitto) as reader:
        done = edge(
            "run", "--source", f"door=file:{testdata}/{PERSON_VIDEO}", "--model", vww,
            "--broker", mosquitto.address, "--device", "field",
        )  # fmt: skip
        seen = list(reader.messages(0.5))
    assert done.returncode == 0, done.stderr
    assert "1394 frames" in done.stderr
    events = [EventPayload.model_validate(body) for body in bodies(seen, "event")]
    assert {e.label for e in events} == {"person"}
    assert [e.event_type for e in events] == ["start", "end"] * (len(events) // 2)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert len(events) >= 6
    assert all(e.clock.virtual and not e.clock.synced for e in events)
    states = [StatePayload.model_validate(body) for body in bodies(seen, "state")]
    assert [s.label for s in states] == [None] + ["person", None] * (len(events) // 2)
    status = [StatusPayload.model_validate(body) for body in bodies(seen, "status")][-1]
    assert status.sources["door"].frames == 1394
    assert status.delegates.loaded == "cpu"
    assert not bodies(seen, "observation"), "observations are off unless asked for"
    last = {f"{r.source}/{r.kind}": r.payload for r in seen}
    assert last["/availability"] == last["door/availability"] == "offline"


def test_events_do_not_depend_on_the_run(edge: Edge, vww: Path, testdata: Path) -> None:
    def events() -> list[dict[str, Any]]:
        done = edge("run", "--source", f"file:{testdata}/{PERSON_VIDEO}", "--model", vww, "--json")
        found = [json.loads(line) for line in done.stdout.splitlines() if "event/1" in line]
        return [{k: v for k, v in e.items() if k not in ("id", "boot_id")} for e in found]

    first = events()
    assert first
    assert first == events()


def test_a_reader_of_stdout_that_leaves_ends_it_quietly(vww: Path, testdata: Path) -> None:
    command = edge_command(
        "run", "--source", f"dir:{testdata}/images/vww01-open", "--model", vww, "--json"
    )
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None and run.stderr is not None
    assert "observation/1" in run.stdout.readline()
    run.stdout.close()
    errors = run.stderr.read()
    run.stderr.close()
    assert run.wait(timeout=20) == 1
    assert "error" not in errors


def test_a_folder_gives_a_line_for_every_picture(edge: Edge, vww: Path, testdata: Path) -> None:
    done = edge("run", "--source", f"dir:{testdata}/images/vww01-open", "--model", vww, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    seen = [ObservationPayload.model_validate(x) for x in lines if "observation" in x["schema"]]
    assert len(seen) == 131
    right = sum(o.origin is not None and o.origin.startswith(f"{o.label}/") for o in seen)
    assert right == 114


@pytest.mark.usefixtures("demo_photographs")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_two_seconds_and_says_offline(
    mosquitto: Mosquitto, vww: Path, number: signal.Signals
) -> None:
    daemon = subprocess.Popen(
        edge_command(
            "run", "--source", "demo:", "--model", vww, "--broker", mosquitto.address,
            "--device", "field",
        ),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with read(mosquitto) as reader:
        until(reader, "state")
        asked_s = time.monotonic()
        daemon.send_signal(number)
        _, errors = daemon.communicate(timeout=10)
        took_s = time.monotonic() - asked_s
        seen = list(reader.messages(0.5))
    assert daemon.returncode == 0, errors
    assert took_s < 2.0
    assert [r.payload for r in seen if r.kind == "availability"] == ["offline", "offline"]
    with read(mosquitto) as late:
        retained = {(r.source, r.kind): r.payload for r in late.messages(0.5)}
    assert retained["", "availability"] == "offline"


@pytest.mark.usefixtures("demo_photographs")
def test_a_killed_daemon_is_declared_offline_by_the_broker(mosquitto: Mosquitto, vww: Path) -> None:
    daemon = subprocess.Popen(
        edge_command(
            "run", "--source", "demo:", "--model", vww, "--broker", mosquitto.address,
            "--device", "field",
        ),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with read(mosquitto) as reader:
        until(reader, "state")
        daemon.kill()
        daemon.wait()
        until(reader, "availability", "offline")


@pytest.mark.usefixtures("demo_photographs")
def test_a_broker_that_comes_back_gets_the_retained_messages_again(
    mosquitto: Mosquitto, vww: Path
) -> None:
    daemon = subprocess.Popen(
        edge_command(
            "run", "--source", "cam=demo:", "--model", vww, "--broker", mosquitto.address,
            "--device", "field",
        ),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with read(mosquitto) as reader:
            until(reader, "state")
        mosquitto.stop()
        mosquitto.start()
        with read(mosquitto) as reader:
            seen = until(reader, "state")
        said = {(r.source, r.kind): r.payload for r in seen}
        assert said["", "availability"] == said["cam", "availability"] == "online"
    finally:
        daemon.terminate()
        daemon.wait(timeout=10)


def test_two_sources_share_one_daemon(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path
) -> None:
    with read(mosquitto) as reader:
        done = edge(
            "run", "--source", f"door=file:{testdata}/{PERSON_VIDEO}",
            "--source", f"road=file:{testdata}/videos/car-detection.mp4",
            "--model", vww, "--broker", mosquitto.address, "--device", "field",
        )  # fmt: skip
        seen = list(reader.messages(0.5))
    assert done.returncode == 0, done.stderr
    status = bodies(seen, "status")[-1]["sources"]
    assert (status["door"]["frames"], status["road"]["frames"]) == (1394, 377)
    ids = {e["id"] for e in bodies(seen, "event") if e["event_type"] == "start"}
    assert len(ids) == sum(e["event_type"] == "start" for e in bodies(seen, "event"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_model_is_tried_blames_no_model(
    number: signal.Signals, vww: Path, testdata: Path
) -> None:
    """systemd and Ctrl-C signal the children too."""
    running = subprocess.Popen(
        edge_command("run", "--source", f"dir:{testdata}/images/vww01-open", "--model", vww),
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while running.poll() is None and not children.read_text():
        time.sleep(0.01)
    os.killpg(running.pid, number)
    _, said = running.communicate(timeout=20)
    assert (running.returncode, said) == (0, "")
