"""`edge init` and `edge check`: a configuration is made, and what is wrong is named."""

from pathlib import Path

import pytest

from edge import config
from tests.conftest import REPOSITORY, Edge, Mosquitto, free_port

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


@pytest.mark.parametrize(
    ("text", "named"),
    [
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
