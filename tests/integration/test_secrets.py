"""However an address is typed, nothing that a command says or publishes has its password in it."""

import itertools
import json
import subprocess
import time
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge import config
from edge.cli import cli
from edge.config import MqttConfig
from edge.daemon.checkup import check_up
from edge.errors import FatalError, HedgerowError, TransientError
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from edge.sources.ask import asked
from edge.sources.devices import Known
from tests.conftest import Mosquitto, edge_command

SECRET = "S3CRET"
NOBODY = "127.0.0.1:9"
"""Where nothing listens: cameras fail at once."""
ADDRESSES = [
    f"rtsp://admin:S3CRET@{NOBODY}",
    f"Front=rtsp://admin:S3CRET@{NOBODY}/live",
    f"Hof Süd = HTTP://admin:S3CRET@{NOBODY}/live",
    f"rtsp://admin:12/S3CRET@{NOBODY}/live",
    f"rtsp://admin:S3CRET ä@{NOBODY}/a b/ü",
    f"rtsps://admin:S3CRET@{NOBODY}/live",
    f"http://{NOBODY}/snap.cgi?user=admin&pwd=S3CRET",
    f"rtsp://{NOBODY}/user=admin_password=S3CRET_channel=1_stream=0.sdp",
    f"gst:rtspsrc location=rtsp://admin:S3CRET@{NOBODY}/x ! decodebin",
    'gst:souphttpsrc user-pw="S3CRET x" ! jpegdec',
]
WRONG = [
    "rtsp://admin:S3CRET",
    "rtsp://admin:S3CRET@",
    "rtsp://admin:S3CRET@cam:99999/x",
    "rtsp:admin:S3CRET@cam/x",
    "ftp://admin:S3CRET@cam/x",
    "admin:S3CRET@10.0.0.5/live",
    "//admin:S3CRET@nas/share",
    "dir:smb://admin:S3CRET@nas/share",
    "file:rtsp://admin:S3CRET@cam/live",
    "demo:?password=S3CRET",
    "=rtsp://admin:S3CRET@cam/x",
    "10.0.0.5?user=admin&pwd=S3CRET",
    "dir:rtsp://admin:S3CRET@cam/live.jpg",
    "smb://admin:S3CRET@nas/share/a.mp4",
]


def test_a_daemon_of_all_spellings(mosquitto: Mosquitto, vww: Path) -> None:
    """Log, topics, payloads, Home Assistant's entities and the names of processes."""
    messages: list[Message] = []
    sources = [word for address in ADDRESSES for word in ("--source", address)]
    config = vww.with_name("edge.toml")
    config.write_text('device = "field"\n[feed]\nstatus_interval_s = 0.3\n')
    command = edge_command(
        "run", "--config", config, *sources, "--model", vww, "--broker", mosquitto.address, "-v"
    )  # fmt: skip
    with MqttClient(MqttConfig(broker=mosquitto.address), "") as client:
        client.listen("#", messages.append)
        daemon = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            until_s = time.monotonic() + 25
            while time.monotonic() < until_s and not told(messages, len(ADDRESSES)):
                time.sleep(0.1)
            all_told, children = told(messages, len(ADDRESSES)), children_of(daemon.pid)
        finally:
            daemon.terminate()
            said = "".join(daemon.communicate(timeout=30))
    assert all_told, said
    everything = said + children + "".join(f"{m.topic} {m.text}\n" for m in messages)
    assert "front" in everything and "hof-sud" in everything
    assert SECRET.lower() not in everything.lower()


def told(messages: list[Message], count: int) -> bool:
    """Whether a status gave a reason for every source."""
    found = [m for m in messages if m.topic == "hedgerow/field/status" and m.payload]
    if not found:
        return False
    sources = json.loads(found[-1].payload)["sources"]
    return len(sources) == count and all(": " in (s["reason"] or "") for s in sources.values())


def children_of(pid: int) -> str:
    """Their command lines and environments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"PPid:\t{pid}\n" in (folder / "status").read_text():
                found += [(folder / name).read_bytes() for name in ("cmdline", "environ")]
        except OSError:
            continue
    return b"".join(found).decode("utf-8", "replace")


def said_by(*arguments: object) -> str:
    """All that a command prints, its error, and the traceback that somebody might see of it."""
    done = CliRunner().invoke(cli, [str(one) for one in arguments], standalone_mode=False)
    assert done.exception is None or isinstance(done.exception, HedgerowError), done.exception
    frames = traceback.format_exception(done.exception) if done.exception else []
    return "".join((done.output, str(done.exception), *frames))


def test_init_check_and_doctor(tmp_path: Path, vww: Path) -> None:
    path = tmp_path / "edge.toml"
    named = (ADDRESSES[0], f"front=rtsp://admin:S3CRET@{NOBODY}/live", ADDRESSES[3])
    sources = [word for address in named for word in ("--source", address)]
    said = said_by("init", "--out", path, "--model", vww, "--device", "f", "--yes", *sources)
    said += said_by("check", "--config", path)
    sections = [line for line in path.read_text().splitlines() if line.startswith("[source.")]
    findings = list(itertools.islice(check_up(config.load(path)), 3))
    everything = said + "".join(sections) + repr(findings)
    assert len(sections) == 3 and everything.count("connection refused") == 3
    assert SECRET.lower() not in everything.lower()


@pytest.mark.parametrize("address", WRONG)
def test_what_is_refused(tmp_path: Path, vww: Path, address: str) -> None:
    path = tmp_path / "edge.toml"
    model = f"[model]\npath = {json.dumps(str(vww))}\n"
    path.write_text(f"{model}[source.x]\nuri = {json.dumps(address)}\n")
    for arguments in (
        ("capture", "--source", address, "--out", tmp_path / "out"),
        ("capture", "--config", path, "--source", "x", "--out", tmp_path / "out"),
        ("capture", "--config", path, "--source", address, "--out", tmp_path / "out"),
        ("check", "--config", path),
        ("init", "--out", tmp_path / "new.toml", "--model", vww, "--yes", "--source", address),
    ):
        said = said_by(*arguments)
        assert SECRET.lower() not in said.lower(), arguments


@pytest.mark.parametrize(
    "text",
    [
        '[source.x]\nuri = ["rtsp://admin:S3CRET@cam/x"]',
        '[source]\nx = "rtsp://admin:S3CRET@cam/x"',
        'source = ["rtsp://admin:S3CRET@cam/x"]',
        '[source.x]\nuri = "rtsp://cam/x"\npassword = "S3CRET"',
        '[source.x]\nuri = "rtsp://cam/x"\nusername = { password = "S3CRET" }',
        '[source."rtsp://admin:S3CRET@cam/x"]\nfps = 1',
        '[mqtt]\nbroker = "mqtt://me:S3CRET@host"',
        '[mqtt]\nbroker = ["mqtt://me:S3CRET@host"]',
        '[source.x]\nuri = "rtsp://admin:S3CRET@cam/x\n',
    ],
)
def test_no_error_of_a_configuration_repeats_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(text)
    said = said_by("check", "--config", path)
    assert "ProblemsError" in said and SECRET not in said


def test_a_password_that_was_taken_for_the_path_of_its_file() -> None:
    section = config.SourceConfig(uri="rtsp://cam/x", username="me", password_file=Path(SECRET))
    with pytest.raises(TransientError, match="password_file") as caught:
        asked(section, Known())()
    assert SECRET not in str(caught.value)


def test_a_broker_s_password_that_was_taken_for_the_path_of_its_file() -> None:
    section = config.MqttConfig(username="me", password_file=Path(SECRET))
    with pytest.raises(FatalError, match=r"mqtt\.password_file: expected the path") as caught:
        MqttClient(section, "x")
    assert SECRET not in str(caught.value)
