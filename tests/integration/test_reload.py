"""Reload, pause and end of a running daemon: what changed is exchanged, what holds goes on."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.config import MqttConfig
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from tests.benchmarks import reloads
from tests.conftest import Mosquitto, edge_command
from tests.integration.test_feed_commands import TOPIC, Field
from tests.strict_broker import until


@pytest.fixture
def field(
    tmp_path: Path, mosquitto: Mosquitto, vww: Path, demo_photographs: None
) -> Iterator[Field]:
    made = Field(tmp_path, mosquitto, vww)
    with made.client:
        assert made.client.connected.wait(5)
        made.start()
        yield made
        made.stop()


def configure(field: Field, change: Callable[[str], str]) -> None:
    field.config.write_text(change(field.config.read_text()))


def online(field: Field, source: str = "cam") -> bool:
    return bool(field.sources()[source]["state"] == "online")


def message(name: str, number: str) -> Message:
    return Message(f"{TOPIC}/{name}", json.dumps({"id": number}))


def holds(condition: Callable[[], bool], seconds: float) -> bool:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        if not condition():
            return False
        time.sleep(0.1)
    return True


def paused(field: Field) -> bool:
    return bool(field.sources()["cam"]["state"] == "paused")


def test_a_pause_holds_over_reload_hangup_and_kill_until_it_is_lifted(field: Field) -> None:
    assert field.ask("pause", source="cam")["ok"]
    field.wait("hedgerow/field/cam/availability", lambda text: text == "offline")
    assert field.ask("reload")["ok"]
    assert holds(lambda: paused(field), 0.5)
    configure(field, lambda text: text.replace("fps=30", "fps=20"))  # another worker
    assert field._daemon is not None
    field._daemon.send_signal(signal.SIGHUP)
    assert holds(lambda: paused(field), 1.0)

    field.kill()
    field.seen.clear()
    field._daemon = subprocess.Popen(
        edge_command("run", "--config", field.config), stderr=subprocess.PIPE, text=True
    )
    field.wait("hedgerow/field/availability", lambda text: text == "online")
    assert holds(lambda: paused(field), 1.0)
    assert not any(m.topic.endswith("cam/availability") and m.text == "online" for m in field.seen)
    assert field.ask("resume")["ok"]
    field.wait("hedgerow/field/cam/availability", lambda text: text == "online")
    field.stop()
    field.start()


def test_a_pause_holds_when_the_device_gets_another_name(field: Field) -> None:
    assert field.ask("pause", source="cam")["ok"]
    field.stop()
    text = field.config.read_text()
    configure(field, lambda text: text.replace('"field"', '"meadow"'))
    states: list[str] = []
    field.client.listen(
        "hedgerow/meadow/status",
        lambda message: states.append(json.loads(message.text)["sources"]["cam"]["state"]),
    )
    renamed = subprocess.Popen(
        edge_command("run", "--config", field.config), stderr=subprocess.PIPE
    )
    try:
        until(lambda: bool(states))
        assert holds(lambda: states[-1] == "paused", 1.0)
        field.client.publish(Message("hedgerow/meadow/command/resume", "{}"))
        until(lambda: states[-1] == "online")
    finally:
        renamed.terminate()
        renamed.communicate()
    field.config.write_text(text)
    field.start()


def test_a_reload_and_at_once_a_pause_is_a_pause(field: Field) -> None:
    for before, after in ((30, 20), (20, 25)):
        text = field.config.read_text()
        field.config.write_text(text.replace(f"fps={before}", f"fps={after}"))
        for name in ("reload", "pause"):
            field.client.publish(message(name, f"{name}{after}"))
        assert field.answer("reload", f"reload{after}")["ok"]
        assert field.answer("pause", f"pause{after}")["ok"]
        assert holds(lambda: paused(field), 1.0)
        assert field.ask("resume")["ok"]


def test_a_reload_of_one_source_leaves_the_other_and_its_figures_alone(field: Field) -> None:
    configure(field, lambda text: text + '[source.gate]\nuri = "demo:?fps=10"\n')
    assert field.ask("reload")["ok"]
    field.wait("hedgerow/field/gate/availability", lambda text: text == "online")
    assert field.ask("threshold", source="cam", label="person", enter=0.45)["ok"]
    before = field.ask("report")["status"]
    field.seen.clear()
    configure(field, lambda text: text.replace("demo:?fps=10", "demo:?fps=5"))
    assert field.ask("reload")["ok"]
    field.wait("hedgerow/field/gate/availability", lambda text: text == "online")
    after = field.ask("report")
    assert after["status"]["boot_id"] == before["boot_id"]
    assert after["status"]["sources"]["cam"]["frames"] > before["sources"]["cam"]["frames"]
    assert after["thresholds"]["cam"]["person"]["enter"] == 0.45
    said = [m.text for m in field.seen if m.topic == "hedgerow/field/cam/availability"]
    assert said == [], "it was online all the time"
    assert not any(m.topic == "hedgerow/field/availability" for m in field.seen)


def test_what_cannot_be_opened_is_refused_and_the_daemon_goes_on(
    field: Field, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    good = field.config.read_text()
    lines = tmp_path / "lines"
    accelerator = '[record]\nsnapshots = true\n[runtime]\ndelegates = ["external:/no/lib.so"]\n'
    for more, says in (
        ('[file]\npath = "/nowhere/lines"\n', "file.path: /nowhere/lines: No such file"),
        (f"[health]\nmetrics_port = {mosquitto.port}\n", "health.metrics_port: "),
        (accelerator, "there is no /no/lib.so"),
    ):
        field.config.write_text(good + more)
        answer = field.ask("reload")
        assert (answer["ok"], says in answer["error"]) == (False, True), answer
        assert online(field)
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    field.config.write_text(good.replace("vww.tflite", "../broken.tflite"))
    assert not field.ask("reload")["ok"]
    field.config.write_text(good + f'[file]\npath = "{lines}"\n')
    assert field.ask("reload")["ok"]
    field.wait("hedgerow/field/cam/event", lambda _: True, 30)
    assert "hedgerow.event/1" in lines.read_text()


def test_a_source_that_is_not_there_is_its_own_matter(field: Field, tmp_path: Path) -> None:
    share = tmp_path / "share"
    with field.config.open("a") as config:
        config.write(
            f'[source.share]\nuri = "dir:{share}?watch"\n'
            f'[source.film]\nuri = "file:{tmp_path}/film.mp4"\n'
        )
    assert field.ask("reload")["ok"]
    assert holds(lambda: online(field), 1.0)
    sources = field.sources()
    for name in ("share", "film"):
        assert sources[name]["state"] == "offline"
        assert str(tmp_path / name) in sources[name]["reason"], sources[name]
    share.mkdir()
    until_s = time.monotonic() + 20
    while not online(field, "share"):
        assert time.monotonic() < until_s
        cv2.imwrite(str(share / f"{time.monotonic_ns()}.png"), np.zeros((96, 96, 3), np.uint8))
        time.sleep(0.5)
    configure(field, lambda text: text.replace("file:", "flie:"))
    answer = field.ask("reload")
    assert not answer["ok"] and "flie:" in answer["error"]
    assert online(field) and online(field, "share")


def test_another_broker_section_takes_the_retained_state_along(field: Field) -> None:
    field.seen.clear()
    configure(field, lambda text: text.replace("[feed]", "keepalive_s = 20\n[feed]"))
    assert field.ask("reload")["ok"], "answered on the new connection"
    field.wait("hedgerow/field/availability", lambda text: text == "online")
    field.wait("hedgerow/field/cam/availability", lambda text: text == "online")
    field.wait("hedgerow/field/cam/state", lambda _: True)
    assert online(field)


@pytest.mark.usefixtures("demo_photographs")
def test_reloads_on_an_exclusive_accelerator_are_flat_and_lose_nothing(
    tmp_path: Path, mosquitto: Mosquitto, testdata: Path, delegate: Callable[..., str]
) -> None:
    """A short form of `python -m tests.benchmarks.reloads`."""
    name = delegate(lock=tmp_path / "device")
    figures = reloads.run(tmp_path, mosquitto, name, 10)
    assert figures.delegates == {name: 10}
    assert figures.threads[0] == figures.threads[1]
    assert figures.descriptors[0] == figures.descriptors[1]
    assert (figures.gaps, figures.twice, figures.open_stories, figures.status) == (0, 0, 0, 0)
    assert figures.events > 0


@pytest.mark.usefixtures("demo_photographs")
def test_every_story_has_its_end_however_slow_the_model(
    tmp_path: Path, mosquitto: Mosquitto, vww: Path, delegate: Callable[..., str]
) -> None:
    """Three cameras wait for one model of five frames a second when SIGTERM comes."""
    config, told = tmp_path / "edge.toml", []
    config.write_text(
        f'device = "field"\n[model]\npath = "{vww}"\n[mqtt]\nbroker = "{mosquitto.address}"\n'
        f'[runtime]\ndelegates = ["{delegate(mode="slow")}"]\n'
        "[events]\nconfirm = 1\nenter = 0.0\n"
        + "".join(f'[source.{name}]\nuri = "demo:"\n' for name in "abc")
    )
    client = MqttClient(MqttConfig(broker=mosquitto.address), "")
    client.listen("hedgerow/field/+/event", lambda m: told.append(json.loads(m.payload)))
    with client:
        assert client.connected.wait(5)
        daemon = subprocess.Popen(edge_command("run", "--config", config), stderr=subprocess.PIPE)
        until_s = time.monotonic() + 30
        while {e["source"] for e in told} != {"a", "b", "c"} and time.monotonic() < until_s:
            time.sleep(0.02)
        daemon.terminate()
        asked_s = time.monotonic()
        _, errors = daemon.communicate(timeout=20)
        took_s = time.monotonic() - asked_s
        time.sleep(0.3)
    assert daemon.returncode == 0, errors
    begun = {e["id"] for e in told if e["event_type"] == "start"}
    ended = [e["id"] for e in told if e["event_type"] == "end"]
    assert begun and sorted(begun) == sorted(ended)
    assert took_s < 4.0
