"""`edge init` and `edge check`: a configuration is made, and what is wrong is named."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge import config
from edge.cli import cli
from edge.errors import FatalError
from edge.feed.access import SERVICE_PASSWORD
from tests.conftest import REPOSITORY, Edge, Mosquitto, edge_command, free_port, need

PERSON = REPOSITORY / "models/person/model.tflite"


def test_init_writes_what_check_takes(edge: Edge, tmp_path: Path) -> None:
    out = tmp_path / "edge.toml"
    made = edge(
        "init", "--yes", "--out", out, "--model", PERSON, "--source", "yard=usb:0",
        "--source", "v4l2:/dev/video2", "--broker", "mqtts://broker.local", "--username", 'o"hara',
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    written = config.load(out)
    assert {name: source.uri for name, source in written.source.items()} == {
        "yard": "usb:0", "video2": "v4l2:/dev/video2",
    }  # fmt: skip
    assert (written.mqtt.broker, written.mqtt.username) == ("mqtts://broker.local", 'o"hara')
    checked = edge("check", "--config", out)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout == (
        f"{out}: right. person 1.0.0 on yard, video2 as {config.default_device()}\n"
    )


def test_init_keeps_a_file_that_is_there(edge: Edge, tmp_path: Path) -> None:
    out = tmp_path / "edge.toml"
    out.write_text("# mine\n")
    refused = edge("init", "--yes", "--out", out, "--model", PERSON)
    assert refused.returncode == 78
    assert "is there already" in refused.stderr
    assert out.read_text() == "# mine\n"


def test_init_writes_nothing_that_cannot_be_read_again(edge: Edge, tmp_path: Path) -> None:
    out = tmp_path / "edge.toml"
    refused = edge("init", "--yes", "--out", out, "--model", PERSON, "--broker", "broker.local")
    assert refused.returncode == 78
    assert refused.stderr.startswith("edge: error: mqtt.broker: expected mqtt://HOST:PORT")
    assert list(tmp_path.iterdir()) == []


def test_init_without_a_terminal_says_which_flag_it_wants(edge: Edge, tmp_path: Path) -> None:
    refused = edge("init", "--yes", "--out", tmp_path / "edge.toml")
    assert refused.returncode == 78
    assert "Model (.tflite): give it as a flag" in refused.stderr


def answered(folder: Path, *answers: str) -> subprocess.CompletedProcess[str]:
    """`edge init` in a folder, with these answers typed."""
    return subprocess.run(
        edge_command("init", "--out", "edge.toml"), cwd=folder, input="\n".join((*answers, "")),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_init_asks_again_until_an_answer_works(tmp_path: Path) -> None:
    (tmp_path / "leaf.keras").touch()
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "Köln 🐑").mkdir()
    shutil.copy(REPOSITORY / "docs/report.png", tmp_path / "Köln 🐑")
    done = answered(
        tmp_path,
        "My Pi", "my-pi",
        "nope.tflite", "leaf.keras", ".", str(PERSON),
        "192.168.1.20", "Greenhouse=usb:0", "photo.jpg", "none.mp4", "yard=Köln 🐑",
        "broker.local", "mqtt://broker.local",
        "me", "hünter2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line.strip() for line in done.stderr.splitlines()]
    for line, part in zip(
        said,
        (
            "got 'My Pi': write \"my-pi\"",
            "nope.tflite: there is no such model file",
            "leaf.keras: is no .tflite file: converter convert leaf.keras --data FOLDER",
            "is a folder",
            "rtsp://HOST/PATH or http://HOST/PATH",
            "write greenhouse=URI",
            f"photo.jpg: is a picture: write dir:{tmp_path}",
            "none.mp4: there is no such file or folder",
            "write mqtt://broker.local",
        ),
        strict=True,
    ):
        assert part in line
    secret = tmp_path / "mqtt-password"
    made = config.load(tmp_path / "edge.toml")
    assert made.device == "my-pi" and made.model.path == PERSON
    assert made.source["yard"].uri == str(tmp_path / "Köln 🐑")
    assert (made.mqtt.username, made.mqtt.password_file) == ("me", secret)
    assert secret.read_bytes() == "hünter2\n".encode()
    assert secret.stat().st_mode & 0o777 == 0o600
    assert "hünter2" not in (tmp_path / "edge.toml").read_text() + done.stdout + done.stderr


def test_init_without_enough_answers_writes_nothing(tmp_path: Path) -> None:
    done = answered(tmp_path, "my-pi", "nope.tflite")
    assert done.returncode == 78
    assert "Model (.tflite): no answer was given; nothing is written" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--model", "nope.tflite"), "there is no such model file"),
        (("--model", PERSON, "--device", "My Pi"), 'write "my-pi"'),
        (("--model", PERSON, "--source", "a=usb:0", "--source", "a=usb:1"), "two sources"),
        (("--model", PERSON, "--source", "10.0.0.9"), "Write rtsp://HOST/PATH"),
        (("--model", PERSON, "--out", "."), "is a folder: name the file"),
        (("--model", PERSON, "--out", "none/edge.toml"), "there is no folder none"),
        (("--model", "m.tflite", "--out", "m.tflite", "--force"), "is the model"),
    ],
)
def test_init_refuses_a_flag_before_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PERSON, "m.tflite")
    refused = CliRunner().invoke(cli, ["init", "--yes", "--out", "edge.toml", *map(str, flags)])
    assert isinstance(refused.exception, FatalError)
    assert said in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["m.tflite"]


def test_init_writes_through_a_link_and_keeps_the_files_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "kept.toml"
    kept.write_text("# mine")
    kept.chmod(0o600)
    Path("edge.toml").symlink_to(kept)
    init = ["init", "--yes", "--out", "edge.toml", "--model", str(PERSON)]
    assert isinstance(CliRunner().invoke(cli, init).exception, FatalError)
    assert kept.read_text() == "# mine"
    assert CliRunner().invoke(cli, [*init, "--force"]).exit_code == 0
    assert Path("edge.toml").is_symlink() and kept.stat().st_mode & 0o777 == 0o600
    assert config.load(kept).model.path == PERSON


def test_init_keeps_a_password_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "mqtt-password").write_text("theirs\n")
    done = answered(tmp_path, "pi", str(PERSON), "usb:0", "mqtt://h", "me")
    assert done.returncode == 0, done.stderr
    assert "mqtt-password: is used for the password" in done.stderr
    assert (tmp_path / "mqtt-password").read_text() == "theirs\n"
    assert config.load(tmp_path / "edge.toml").mqtt.password_file == tmp_path / "mqtt-password"


def test_check_tells_everything_that_is_wrong(edge: Edge, tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_bytes(b"\xef\xbb\xbf[events]\r\nenter = 60\r\n[source.a]\r\nurl = 'usb:0'\r\n")
    refused = edge("check", "--config", path)
    assert refused.returncode == 78
    first, second = refused.stderr.splitlines()
    assert first.startswith(f"edge: error: {path}: line 2: events.enter: expected a score")
    assert second.endswith("line 4: source.a.url: unknown key; did you mean uri?")


def test_check_tells_everything_that_does_not_fit_the_model_and_the_machine(
    edge: Edge, tmp_path: Path
) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        f'[model]\npath = "{PERSON}"\n[events]\nlabels = ["cow"]\n[runtime]\ndelegates = ["gpv"]\n'
        '[mqtt]\nusername = "me"\npassword_file = "/nope"\n[source.a]\nuri = "ftp://h/x"\n'
    )
    refused = edge("check", "--config", path)
    assert refused.returncode == 78
    said = ("no label 'cow'", "unknown delegate 'gpv'", "ftp://", "password_file: /nope")
    for line, part in zip(refused.stderr.splitlines(), said, strict=True):
        assert line.startswith("edge: error: ") and part in line


def test_check_says_that_a_user_name_has_no_password(edge: Edge, tmp_path: Path) -> None:
    need(not SERVICE_PASSWORD.exists(), "a machine without the service's password")
    path = tmp_path / "edge.toml"
    text = f'[model]\npath = "{PERSON}"\n[mqtt]\nusername = "me"\n[source.a]\nuri = "usb:0"\n'
    path.write_text(text)
    done = edge("check", "--config", path)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert "mqtt.username = 'me' has no password: write it into /etc/hedgerow/mqtt-password" in line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            '[model]\npath = "{model}"\n[events]\nleave = 0.9\n[source.a]\nuri = "usb:0"\n',
            "person: leave = 0.9 is above enter = ",
        ),
        (
            '[model]\npath = "{model}"\n[source.a]\nuri = "usb:0"\n[source.a.line.l]\n'
            "start = [0, 0]\nend = [1, 1]\n",
            "set source.a.crop = [x_min, y_min, x_max, y_max]",
        ),
        ('[source.a]\nuri = "usb:0"\n', "model.path: is missing"),
        ('[model]\npath = "{model}"\n', "source: is missing"),
        ('[model]\npath = "/nowhere.tflite"\n[source.a]\nuri = "usb:0"\n', "/nowhere.tflite"),
        ('[model]\npath = "{model}"\n[source.a]\nuri = "ftp:x"\n', "ftp:x"),
        (
            '[model]\npath = "{model}"\n[events]\nlabels = ["cow"]\n[source.a]\nuri = "usb:0"\n',
            "events.labels: the model person has no label 'cow'",
        ),
        (
            '[model]\npath = "{model}"\n[runtime]\ndelegates = ["gpv"]\n[source.a]\nuri = "0"\n',
            "unknown delegate 'gpv'",
        ),
        (
            '[model]\npath = "{model}"\n[mqtt]\nusername = "me"\npassword_file = "/nope"\n'
            '[source.a]\nuri = "0"\n',
            "mqtt.password_file: /nope",
        ),
        ('[model]\npath = "{model}"\n[source.a]\nuri = "usb:0"\nfps = -1\n', "source.a.fps"),
    ],
)
def test_check_names_what_is_wrong(edge: Edge, tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(text.replace("{model}", str(PERSON)))
    refused = edge("check", "--config", path)
    assert refused.returncode == 78
    assert named in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def doctor(edge: Edge, folder: Path, broker: str, more: str = "") -> tuple[int, dict[str, str]]:
    path = folder / "edge.toml"
    path.write_text(
        f'[model]\npath = "{PERSON}"\n[mqtt]\nbroker = "{broker}"\n{more}'
        '[source.yard]\nuri = "v4l2:/dev/video99"\n[source.demo]\nuri = "demo:"\n'
    )
    done = edge("doctor", "--config", path, timeout_s=180)
    assert not done.stderr, done.stderr
    named = ("source yard", "source demo", "broker", "clock", "disk", "memory", "cpu")
    said = {}
    for line in done.stdout.splitlines():
        level, _, rest = line.partition(" ")
        for name in named:
            if rest.strip().startswith(name):
                said[name] = f"{level}: {rest.strip().removeprefix(name).strip()}"
    return done.returncode, said


def test_doctor_names_each_part_and_what_to_do(
    edge: Edge, tmp_path: Path, mosquitto: Mosquitto, demo_photographs: None
) -> None:
    status, said = doctor(edge, tmp_path, mosquitto.address)
    assert status == 1, "there is no such camera"
    assert said["source yard"].startswith("error: v4l2:/dev/video99: there is no such camera")
    assert said["source demo"].startswith("ok: 640 x 480, the first frame after")
    assert said["broker"] == f"ok: {mosquitto.address} connected"
    assert said["cpu"].startswith("ok: right: reproduces the golden vectors; ")
    assert {"clock", "disk", "memory"} <= set(said)


def test_doctor_says_why_the_broker_lets_nobody_in(
    edge: Edge, tmp_path: Path, demo_photographs: None
) -> None:
    nobody = free_port()
    _, said = doctor(edge, tmp_path, f"mqtt://127.0.0.1:{nobody}")
    assert said["broker"].startswith(f"error: mqtt://127.0.0.1:{nobody} does not answer; ")
    broker = Mosquitto(tmp_path, "allow_anonymous false\n")
    broker.start()
    try:
        _, said = doctor(edge, tmp_path, broker.address, 'username = "edge"\n')
    finally:
        broker.stop()
    assert said["broker"].startswith("error: mqtt.broker ")
    assert "refuses the user name or password" in said["broker"]


def test_init_says_who_may_read_a_camera_s_password_and_lets_nobody_else_write(
    edge: Edge, tmp_path: Path
) -> None:
    out = tmp_path / "edge.toml"
    before = os.umask(0)
    try:
        made = edge(
            "init", "--yes", "--out", out, "--model", PERSON,
            "--source", "yard=rtsp://me:hunter2@10.0.0.5/live", "--source", "barn=usb:0",
        )  # fmt: skip
    finally:
        os.umask(before)
    assert made.returncode == 0 and stat.S_IMODE(out.stat().st_mode) == 0o644
    assert made.stderr.count("its password stands in") == 1
    assert "hunter2" not in made.stderr + made.stdout
