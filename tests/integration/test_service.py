"""The daemon as systemd sees it: a notification socket, signals, a journal, a metrics port."""

import gc
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge import model
from edge.config import Config, MqttConfig
from edge.daemon.pulse import Pulse, Stages
from edge.daemon.vitals import Vitals
from edge.feed.reader import Reader
from edge.runtime.runtime import open_runtime
from tests.conftest import REPOSITORY, Mosquitto, edge_command, free_port

PERSON = REPOSITORY / "models/person/model.tflite"
WAIT_S = 60.0


class Service:
    """`edge run --config` with a NOTIFY_SOCKET, on the demo camera."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.config = folder / "edge.toml"
        self.log = folder / "journal"
        self._broker = broker.address
        self._address = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, more: str = "", uri: str = "demo:?fps=20", device: str = "field") -> None:
        self.config.write_text(
            f'device = "{device}"\n[model]\npath = "{PERSON}"\n[mqtt]\nbroker = "{self._broker}"\n'
            f'[feed]\nstatus_interval_s = 0.2\n[source.cam]\nuri = "{uri}"\n{more}'
        )

    def start(self, watchdog_s: float = 60.0) -> None:
        with self.log.open("wb") as log:
            there = os.fstat(log.fileno())
            told = {
                "NOTIFY_SOCKET": str(self._address),
                "WATCHDOG_USEC": f"{watchdog_s * 1e6:.0f}",
                "JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}",
            }
            command = edge_command("run", "--config", self.config)
            self._process = subprocess.Popen(command, stderr=log, env=os.environ | told)

    def until(self, *words: str, count: int = 1) -> str:
        """The notification that has all the words, the count-th of them."""
        self._socket.settimeout(WAIT_S)
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            text = self._socket.recv(4096).decode()
            count -= all(word in text for word in words)
            if not count:
                return text.strip()
        raise AssertionError(f"nothing with {words}; the log: {self.log.read_text()}")

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def logged(self, word: str) -> str:
        until_s = time.monotonic() + WAIT_S
        while time.monotonic() < until_s:
            for line in self.log.read_text().splitlines():
                if word in line:
                    return line
            time.sleep(0.05)
        raise AssertionError(f"no {word!r} in {self.log.read_text()}")

    def end(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(WAIT_S)

    def close(self) -> None:
        self._socket.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto, demo_photographs: None) -> Iterator[Service]:
    made = Service(tmp_path, mosquitto)
    made.configure()
    with closing(made):
        yield made


def test_systemd_hears_ready_then_the_real_state_then_the_watchdog(service: Service) -> None:
    service.start(watchdog_s=2.0)
    assert service.until("READY=1") == "READY=1"
    line = service.until("STATUS=cam", "frames/s", "broker connected")
    assert "waits" not in line
    service.until("WATCHDOG=1", count=3)
    assert service.end() == 0


def test_a_missing_camera_is_in_the_status_line_and_is_no_freeze(service: Service) -> None:
    service.configure("[health]\nstall_s = 5.0\n", uri="v4l2:/dev/video99")
    service.start(watchdog_s=4.0)
    service.until("STATUS=cam offline: v4l2:/dev/video99")
    service.until("WATCHDOG=1", count=8)
    assert "frozen" not in service.log.read_text()


def test_a_frozen_capture_is_named_and_the_watchdog_starves(
    tmp_path: Path, vww: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a process, tests/device stops a real thread; here its pulse stands still."""
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(tmp_path / "notify"))
    told.settimeout(1.0)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    config = Config.model_validate({"health": {"stall_s": 5.0}})
    pulse, runtime = Pulse(), open_runtime(model.load(vww))
    vitals = Vitals(config, Stages(lambda: {"cam": pulse}, runtime, lambda: None), list)
    began_s = time.monotonic()
    with closing(told):
        vitals.step(began_s + 4)
        assert told.recv(4096).strip() == b"WATCHDOG=1"
        vitals.step(began_s + 6)
        said = told.recv(4096) + b"\n" + told.recv(4096)
        assert b"STATUS=frozen: capture of cam did not move for 5 s" in said
        assert b"WATCHDOG=trigger" in said
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        vitals.step(began_s + 9)
        with pytest.raises(TimeoutError):
            told.recv(4096)
    runtime.close()
    with warnings.catch_warnings():  # the library leaves its socket to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        del vitals
        gc.collect()


def test_sighup_applies_what_changed_and_refuses_what_is_wrong(
    service: Service, mosquitto: Mosquitto
) -> None:
    service.start()
    service.until("STATUS=cam", "frames/s")
    service.config.write_text("[source.cam]\nuri = 5\n")
    service.signal(signal.SIGHUP)
    refused = service.logged("not reloaded")
    assert refused.startswith("<3>not reloaded: ") and "source.cam.uri" in refused
    service.until("STATUS=cam", "frames/s", count=2)

    service.configure('[source.gate]\nuri = "demo:?fps=10"\n', device="meadow")
    with Reader(MqttConfig(broker=mosquitto.address), "meadow") as reader:
        service.signal(signal.SIGHUP)
        service.until("READY=1")
        service.until("STATUS=", "cam", "gate", "frames/s")
        for received in reader.messages(WAIT_S):
            if received.kind == "status" and json.loads(received.payload)["sources"].get("gate"):
                break
        else:
            raise AssertionError("the new source is not in the status")
    assert service.end() == 0


def test_the_journal_gets_levels_and_one_line_per_change(service: Service) -> None:
    service.start()
    service.until("STATUS=cam", "frames/s")
    assert service.logged("connected").startswith("<6>broker")
    assert service.end() == 0
    lines = service.log.read_text().splitlines()
    others = ("cam: ", "INFO: Created TensorFlow Lite")  # the summary; LiteRT's own
    assert [line for line in lines if not line.startswith(("<6>", "<4>", *others))] == []
    assert len(lines) < 20


def test_prometheus_gets_the_figures_of_the_status_on_loopback(service: Service) -> None:
    port = free_port()
    service.configure(f"[health]\nmetrics_port = {port}\n")
    service.start()
    service.until("STATUS=cam", "frames/s")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WAIT_S) as answer:
        text = answer.read().decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['hedgerow_source_frames_total{source="cam"}']) >= 1
    assert values['hedgerow_source_online{source="cam"}'] == "1.0"
    assert values['hedgerow_source_view{source="cam",view="ok"}'] == "1.0"
    assert values["hedgerow_outbox_durable"] == "1.0"
    assert values["hedgerow_frame_share"] == "1.0"
    assert any(name.startswith('hedgerow_info{delegate="cpu"') for name in values)
    assert service.end() == 0
