"""Bad input: one clear line, a documented exit status, no traceback."""

import json
import os
import pty
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.cli import cli
from edge.config import FileConfig, MqttConfig
from edge.errors import FatalError
from edge.feed.mqtt import MqttClient
from edge.feed.sinks import JsonFile
from tests.conftest import REPOSITORY, Edge, Mosquitto, edge_command


def refused(edge: Edge, *arguments: object, status: int, says: str) -> None:
    """The last line of stderr says it; nothing looks like Python."""
    done = edge(*arguments)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == status, done.stderr
    assert last.startswith("edge: error: ") and says in last
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("edge: error") for line in done.stderr.splitlines()) == 1


def test_a_missing_model(edge: Edge) -> None:
    refused(
        edge, "run", "--source", "dir:.", "--model", "none.tflite",
        status=78, says="none.tflite: there is no such model file",
    )  # fmt: skip


def test_no_model_and_no_source(edge: Edge) -> None:
    refused(edge, "run", "--source", "dir:.", status=78, says="model.path: is missing")
    refused(edge, "run", "--model", "m.tflite", status=78, says="source: is missing")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("none.mp4", "file:none.mp4: there is no such file"),
        ("dir:none", "dir:none: there is no such folder"),
        ("gopher://yard", "source 'gopher://yard': expected one of rtsp://, http://, usb:N"),
        ("demo:?speed=9", "demo:?speed=9: expected demo:?fps=NUMBER"),
    ],
)
def test_sources_that_are_none(edge: Edge, vww: Path, uri: str, says: str) -> None:
    refused(edge, "run", "--source", uri, "--model", vww, "--json", status=78, says=says)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("not_a_model__mlperf_md5_text.tflite", "is not a TensorFlow Lite model"),
        ("unresolved_custom_op__fake-op-double.tflite", "fake-op-double"),
        ("invalid_quant_dimension__tflm_person_detect.tflite", "quantized_dimension"),
    ],
)
def test_models_that_are_none(
    edge: Edge, testdata: Path, tmp_path: Path, name: str, says: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes((testdata / "models/bad" / name).read_bytes())
    (tmp_path / "model.toml").write_text(
        'name = "x"\nlabels = ["a"]\ninput = { width = 96, height = 96, color = "grey" }\n'
    )
    refused(edge, "run", "--source", "dir:.", "--model", bad, "--json", status=78, says=says)


def test_a_configuration_with_an_unknown_key_or_a_wrong_type(edge: Edge, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text("[source.barn]\nuri = 'usb:0'\nframerate = 5\n")
    says = f"{config}: line 3: source.barn.framerate: unknown key; did you mean fps?"
    refused(edge, "run", "--config", config, status=78, says=says)
    config.write_text("[source.barn]\nuri = 'usb:0'\nfps = 'x'\n")
    says = f"{config}: line 3: source.barn.fps: expected a number, got 'x'"
    refused(edge, "run", "--config", config, status=78, says=says)


def test_a_video_that_ends_early(edge: Edge, vww: Path, testdata: Path, tmp_path: Path) -> None:
    whole = (testdata / "videos/car-detection.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    refused(
        edge, "run", "--source", tmp_path / "cut.mp4", "--model", vww, "--json",
        status=1, says="cut.mp4: ends after 13.",
    )  # fmt: skip


def test_a_zero_byte_picture_in_a_folder(
    edge: Edge, vww: Path, testdata: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for path in (
        testdata / "images/bad/zero_byte__plantvillage_apple.JPG",
        testdata / "images/tflm/person.bmp",
    ):
        (folder / path.name).write_bytes(path.read_bytes())
    done = edge("run", "--source", f"dir:{folder}", "--model", vww, "--json")
    assert done.returncode == 0
    assert "zero_byte__plantvillage_apple.JPG: skipped: not a readable picture" in done.stderr
    assert "1 frames, 1 skipped" in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_broker_that_refuses_the_password(edge: Edge, vww: Path, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    broker = Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {passwords}\n")
    broker.start()
    try:
        secret = tmp_path / "secret"
        secret.write_text("hunter2\n")
        config = tmp_path / "edge.toml"
        config.write_text(f"[mqtt]\nusername = 'me'\npassword_file = '{secret}'\n")
        run = ("run", "--config", config, "--model", vww, "--broker", broker.address)
        says = f"mqtt.broker {broker.address}: it refuses the user name or password"
        refused(edge, *run, "--source", "usb:97", status=78, says=says)
        done = edge(*run, "--source", "usb:97", "--verbose")
        assert "hunter2" not in done.stderr
        secret.unlink()
        says = f"mqtt.password_file: {secret}: No such file"
        refused(edge, *run, "--source", "usb:97", status=78, says=says)
    finally:
        broker.stop()


def test_a_recording_whose_events_nobody_takes_are_delivered_by_the_next_run(
    edge: Edge, vww: Path, testdata: Path, tmp_path: Path
) -> None:
    video = testdata / "videos/one-by-one-person-detection.mp4"
    late = Mosquitto(tmp_path)
    run = ("run", "--source", video, "--model", vww, "--broker", late.address, "--device", "field")
    refused(edge, *run, status=1, says="events wait in the outbox for the next run")
    late.start()
    try:
        seen: list[dict[str, object]] = []
        with MqttClient(MqttConfig(broker=late.address), "") as reader:
            reader.listen("hedgerow/field/+/event", lambda m: seen.append(json.loads(m.text)))
            assert reader.connected.wait(5)
            done = edge(*run)
            time.sleep(0.3)
        assert done.returncode == 0, done.stderr
    finally:
        late.stop()
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    half = len(seen) // 2
    assert [event["replayed"] for event in seen] == [True] * half + [False] * half
    assert half >= 6


def test_an_embedded_broker_whose_port_is_taken(
    edge: Edge, mosquitto: Mosquitto, vww: Path
) -> None:
    refused(
        edge, "run", "--source", "usb:97", "--model", vww, "--broker", f"embedded:{mosquitto.port}",
        status=78, says=f"if a broker runs there, use it: mqtt://127.0.0.1:{mosquitto.port}",
    )  # fmt: skip


def test_reading_a_feed_that_is_not_there(edge: Edge) -> None:
    refused(
        edge, "watch", "--broker", "mqtt://127.0.0.1:9",
        status=1, says="broker mqtt://127.0.0.1:9 is not reachable",
    )  # fmt: skip


def test_a_name_that_no_file_can_have(edge: Edge, vww: Path) -> None:
    name = "x" * 300
    for arguments, status in (
        (("init", "--yes", "--model", vww, "--out", name), 1),
        (("capture", "--source", "demo:?fps=0", "--out", name), 1),
        (("check", "--config", name), 78),
    ):
        refused(edge, *arguments, status=status, says="File name too long")


def test_no_command_shows_the_help(edge: Edge) -> None:
    for group in ((), ("models",)):
        done = edge(*group)
        assert (
            "Commands:" in done.stdout + done.stderr and "error" not in done.stderr.split("\n")[0]
        )


def test_wrong_usage_is_exit_status_2(edge: Edge) -> None:
    done = edge("run", "--sauce", "0")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("edge: error: No such option") and line.endswith("see edge run --help")


@pytest.mark.parametrize(
    "arguments",
    [
        ("capture --source demo: --out o", "--every", "0"),
        ("capture --source demo: --out o", "--count", "0"),
        ("capture --source demo: --out o", "--count", "-1"),
        ("bench --model m", "--seconds", "0"),
        ("bench --model m", "--threads", "0"),
        ("bench --model m", "--fps", "0"),
    ],
)
def test_numbers_that_mean_nothing(arguments: tuple[str, str, str]) -> None:
    command, *flag = arguments
    done = CliRunner().invoke(cli, [*command.split(), *flag])
    assert done.exit_code == 2
    assert f"Invalid value for '{flag[0]}'" in done.output


LEGACY = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""Python then takes the terminal for one of ASCII."""


def test_labels_of_any_letters_in_a_legacy_locale(
    testdata: Path, vww: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = '["L\\u00f6wenzahn", "\\u7f8a\\U0001F411"]'
    (vww.parent / "model.toml").write_text(
        f'name = "x"\nlabels = {labels}\ninput = {{ width = 96, height = 96 }}\n'
    )
    for key, value in LEGACY.items():
        monkeypatch.setenv(key, value)
    run = edge_command("run", "--source", testdata / "images/tflm", "--model", vww, "--json")
    done = subprocess.run(run, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    told = {json.loads(line)["label"] for line in done.stdout.decode().splitlines()}
    assert told and told <= {"Löwenzahn", "羊🐑"}


def test_a_name_of_any_letters_on_a_terminal_in_a_legacy_locale(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = edge_command("check", "--config", tmp_path / "ü🐑.toml")
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=os.environ | LEGACY)
    os.close(theirs)
    assert process.wait(timeout=30) == 78
    shown = os.read(ours, 65536).decode("ascii")
    os.close(ours)
    assert ".toml: there is no such configuration file" in shown


def test_a_system_without_time_zone_data(tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text("[site]\ntimezone = 'Europe/Berlin'\n")
    hidden = tmp_path / "tzdata"  # hides the package of that name
    hidden.mkdir()
    (hidden / "__init__.py").touch()
    environment = {"PYTHONTZPATH": "", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        edge_command("check", "--config", config), capture_output=True, text=True, timeout=60,
        check=False, cwd=REPOSITORY, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert "line 2: site.timezone: this system has no time zone data: apt install tzdata" in line


@pytest.mark.parametrize(
    ("keep", "name"), [(3, "events.jsonl"), (3, "events.jsonl.1"), (3, "events.jsonl.3")]
)
@pytest.mark.parametrize("content", [b"my notes\n", b'{"mine": 1}\n', b"[1]\n", b"\xff\xfe\x00"])
def test_a_file_for_lines_that_has_something_else_in_it(
    tmp_path: Path, keep: int, name: str, content: bytes
) -> None:
    """Rotation would rename it, and delete it in the end."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FatalError, match=f"file.path: .*{name}: has something in it"):
        JsonFile(FileConfig(path=tmp_path / "events.jsonl", keep=keep))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("content", [b"", b'{"schema": "hedgerow.event/1"}\n{"cut', b"\0" * 512])
def test_a_file_for_lines_that_is_ours_is_appended_to(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    JsonFile(FileConfig(path=path)).close()
    assert path.read_bytes() == content


def test_output_into_a_full_disk_or_a_closed_pipe() -> None:
    schema = " ".join(edge_command("schema"))
    for shell, status, said in (
        (f"{schema} > /dev/full", 1, "edge: error: the output cannot be written: No space left"),
        (f"{schema} | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}", 1, ""),
    ):
        done = subprocess.run(
            ["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode in (status, 0) and "Traceback" not in done.stderr
        assert said in done.stderr and len(done.stderr.splitlines()) <= 1
