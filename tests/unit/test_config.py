"""Configuration: what is right is taken over, what is wrong is named with file, key and value."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from edge import config
from edge.errors import FatalError
from edge.feed.retained import _cameras
from edge.scene import ScheduleConfig

REPOSITORY = Path(__file__).resolve().parents[2]


def write(folder: Path, text: str) -> Path:
    path = folder / "edge.toml"
    path.write_text(text)
    return path


def test_the_file_is_read_and_flags_go_before_it(tmp_path: Path) -> None:
    path = write(tmp_path, 'device = "yard"\n[source.barn]\nuri = "usb:0"\nfps = 5\n')
    made = config.load(path, {"mqtt": {"broker": "embedded"}, "device": "field"})
    assert made.device == "field"
    assert made.source["barn"].uri == "usb:0"
    assert made.source["barn"].fps == 5
    assert made.mqtt.broker == "embedded"


def test_the_shipped_file_holds_every_key_with_its_default() -> None:
    """systemd/edge.toml is the reference: uncommented as it is, it changes nothing."""
    shipped = REPOSITORY / "systemd" / "edge.toml"
    made = config.load(shipped)
    assert made == config.Config(device=made.device)
    text = shipped.read_text()
    for where, key in keys(config.Config):
        shown = f"\n{key} =" in text or f"\n# {key} =" in text or f".{key}." in text
        assert shown or f"[{key}." in text or f".{key}]" in text, (
            f"{where}.{key} is not in the file"
        )


def keys(section: type[BaseModel], where: str = "") -> Iterator[tuple[str, str]]:
    """Every key of a table and of the tables in it."""
    for name, field in section.model_fields.items():
        inner = [t for t in (field.annotation, *get_args(field.annotation)) if is_section(t)]
        if not inner or inner != [field.annotation]:
            yield where, field.alias or name
        for table in inner:
            yield from keys(table, f"{where}.{name}")


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_the_examples_in_the_shipped_file_are_valid(tmp_path: Path) -> None:
    """Every comment that looks like TOML, uncommented."""
    shipped = (REPOSITORY / "systemd" / "edge.toml").read_text()
    text = re.sub(r"^# (?=\[[a-z0-9.]+\]$|[a-z_]+ = )", "", shipped, flags=re.MULTILINE)
    flags = {
        "mqtt": {"broker": "mqtts://broker", "username": "edge"},
        "source": {"yard": {"uri": "rtsp://camera/1", "username": "edge"}},
    }
    made = config.load(write(tmp_path, text), flags)
    assert made.source["yard"].line["door"].start == (0.2, 0.8)
    assert made.profile["night"].label["person"].confirm == 5
    assert made.source["yard"].schedule == ScheduleConfig()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[modle]\npath = 'x'", "modle: unknown key"),
        (
            "[source.barn]\nuri = 'usb:0'\nfps = 'x'",
            "line 3: source.barn.fps: expected a number, got 'x'",
        ),
        (
            "[source.barn]\nuri = 'usb:0'\nfps = -1",
            "line 3: source.barn.fps: expected at least 0, got -1",
        ),
        ("[source.barn]\nfps = 5", "source.barn.uri: is missing"),
        ("[source.'The Barn']\nuri = 'usb:0'", "source.The Barn"),
        (
            "[mqtt]\nbroker = 'localhost'",
            "mqtt.broker: expected mqtt://HOST:PORT, mqtts, ws, wss or embedded",
        ),
        ("[mqtt]\nbroker = 'mqtt://h:99999'", "mqtt.broker: expected mqtt://HOST:PORT"),
        (
            "[events]\nenter = 60",
            "events.enter: expected a score from 0 to 1 (0.6 is 60 %), got 60",
        ),
        ("[runtime]\nthreads = true", "runtime.threads: expected a whole number, got true"),
        (
            "[source.a]\nuri='0'\n[source.a.schedule]\nfrom = '25:00'",
            'source.a.schedule.from: expected "06:30", "sunrise", "sunset"',
        ),
        (
            "[source.a]\nuri='0'\n[source.a.schedule]\nevery_s = 600",
            "source.a.schedule: expected for_s above 0 and below every_s, or neither of them",
        ),
        ("[site]\ntimezone = 'Berlin'", "site.timezone: there is no time zone 'Berlin'"),
        (
            "device = 'My Pi'",
            "device: expected an id of lower-case letters, digits, - and _, got 'My Pi': write "
            '"my-pi"',
        ),
        ("device = ", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FatalError) as caught:
        config.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


CAMERA = "[source.a]\nuri = 'usb:0'\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[source.a]\nurl = 'x'", "line 2: source.a.url: unknown key; did you mean uri?"),
        (CAMERA + "cooldown = 3", "unknown key; it belongs in [events]"),
        ("[events]\ncooldown = 3", "unknown key; did you mean cooldown_s?"),
        ("[mqtt]\nport = 1883", "mqtt.port: unknown key; did you mean broker?"),
        (CAMERA + "framerate = 5", "source.a.framerate: unknown key; did you mean fps?"),
        ("[events]\nenter = '0,7'", "events.enter: expected a number, got '0,7': write 0.7"),
        ("[events]\nenter = '70%'", "got '70%': write 0.7 without quotes"),
        ("[feed]\nsnapshots = 'yes'", "expected true or false, got 'yes': write true"),
        ("[events]\nlabels = 'person'", "expected a list in [ ], got 'person': write [\"person\"]"),
        (
            "[profile.n]\nfrom = '6:00'\nuntil = '9:00'",
            'line 2: profile.n.from: expected a time of the day, as "06:30" or "21:00", got '
            "'6:00': write \"06:00\"",
        ),
        ("[profile.n]\nfrom = 21:00:00\nuntil = '22:00'", "got 21:00 without quotes"),
        (
            CAMERA + "[source.a.schedule]\nfrom = '6.30'",
            'line 4: source.a.schedule.from: expected "06:30", "sunrise"',
        ),
        (
            CAMERA + "[source.a.zone.g]\npolygon = [[0.1, 0.2], [0.3, 0.4]]",
            "line 4: source.a.zone.g.polygon: a polygon needs 3 to 100 points [x, y]",
        ),
        (
            CAMERA + "[source.a.zone.g]\npolygon = [[1, 2], [320, 4], [5, 200]]",
            "source.a.zone.g.polygon: expected shares of the picture from 0 to 1, not pixels",
        ),
        (CAMERA + "crop = [0, 0, 320, 240]", "source.a.crop: expected shares of the picture"),
        (CAMERA + "crop = [0, 0, 0.001, 1]", "source.a.crop: leaves less than 2% of the picture"),
        (
            "[model]\npath = 'm'\n[file]\npath = './m'",
            "line 4: file.path: m is needed for something",
        ),
        (CAMERA + "crop = [0, 0, 1]", "source.a.crop: expected [x_min, y_min, x_max, y_max]"),
        (
            CAMERA + "[source.a.line.l]\nstart = [0.1]\nend = [0, 9]",
            "source.a.line.l.start: expected points [x, y]",
        ),
        ("[events]\nmin_area = 5", "expected a share of the picture from 0 to 1 (0.05 is 5 %)"),
        (CAMERA + "rotate = 45", "source.a.rotate: expected 0, 90, 180 or 270, got 45"),
        (CAMERA + "fps = inf", "source.a.fps: expected a number, got inf"),
        ("[feed]\nstatus_interval_s = 1e300", "feed.status_interval_s: expected at most 100000000"),
        ("[file]\nmax_bytes = " + "9" * 40, "file.max_bytes: expected at most"),
        (CAMERA + "[source.a.v4l2]\nsize = [0, -1]", "source.a.v4l2.size: expected at least 16"),
        (
            "source = 'usb:0'",
            "source: expected a table with a name, got 'usb:0': write [source.NAME]",
        ),
        ("model = 'x.tflite'", "model: expected a table, got 'x.tflite': write [model]"),
        ("[site]\ntimezone = 'Berlin'", "did you mean Europe/Berlin?"),
        ("[mqtt]\nbroker = '10.0.0.2'", "write mqtt://10.0.0.2"),
        ("[source.'Das Tor']\nuri = '0'", "source.Das Tor: expected an id of lower-case letters"),
        ("[runtime]\ndelegates = []", "runtime.delegates: is empty"),
    ],
)
def test_it_says_what_to_write(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaint in problems(write(tmp_path, text))[0]


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(FatalError) as caught:
        config.load(path)
    return tuple(line.removeprefix(f"{path}: ") for line in caught.value.lines)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("device = yard", 'write text in quotes, as in uri = "usb:0"'),
        ("device = \u201cyard\u201d", 'write straight quotes: "'),
        ("device: yard", "write = between key and value"),
        ("device = ", "a value is missing behind ="),
        ("[events]\nenter = 0,7", "decimals take a point, as in 0.7"),
        ("[events]\nenter = .7", "write a 0 before the point, as in 0.7"),
        ("[events]\ncooldown_s = 5 s", "write the number alone, without a unit"),
        ("[feed]\nsnapshots = True", "write true or false"),
        ("[profile.n]\nfrom = 6:00", 'as in "06:30"'),
        ('[model]\npath = "C:\\Users\\x"', "write paths with / or in 'single quotes'"),
        ("x = " + "[" * 9999, "has a number too long or tables too deep to read"),
        ("x = " + "9" * 9999, "has a number too long or tables too deep to read"),
    ],
)
def test_what_is_no_toml_is_told_with_what_to_write(
    tmp_path: Path, text: str, complaint: str
) -> None:
    assert complaint in problems(write(tmp_path, text))[0]


def test_all_that_is_wrong_is_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """device = "My Pi"
[mqtt]
borker = "mqtt://h"
username = 5
[events]
enter = 0,7
[record]
fps = 0
pre_roll_s = 60
[source.yard]  # the gate
url = "rtsp://camera"
fps = "x"
[source.barn]
fps = 5
[source.barn.zone.gate]
polygon = [
  [0.1, 0.2],
  [320, 200],
  [0.5, 0.5],
]
"""
    told = problems(write(tmp_path, text))
    assert [line.partition(": ")[0] for line in told] == [
        f"line {n}" for n in (1, 3, 4, 6, 8, 11, 12, 13, 16)
    ]
    assert told[7] == "line 13: source.barn.uri: is missing"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[site]\nlatitude = 95\nlongitude = 1", ["site.latitude"]),
        ("[source.a]\nurl = 'usb:0'", ["source.a.url"]),
        ("[events]\nconfirm = 0\nwindow = 2", ["events.confirm"]),
        ("[profile.n]\nfrom = 'x'\nuntil = '21:00'", ["profile.n.from"]),
        (
            "[source.a]\nuri = usb:0\n[source.b]\nfps = 1",
            ["is not valid TOML near 'uri'", "source.b.uri"],
        ),
    ],
)
def test_what_follows_from_another_mistake_is_not_told(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    lines = problems(write(tmp_path, text))
    assert [line.split(": ")[1] for line in lines] == told


def test_what_a_flag_got_wrong_has_no_line(tmp_path: Path) -> None:
    path = write(tmp_path, "[mqtt]\nbroker = 'mqtt://h'\nusername = 5\n")
    with pytest.raises(FatalError) as caught:
        config.load(path, {"mqtt": {"broker": "h"}})
    assert [line.removeprefix(f"{path}: ")[:14] for line in caught.value.lines] == [
        "mqtt.broker: e", "line 3: mqtt.u",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[mqtt]\nbroker = 'mqtt://h'\nca_file = 'x'",
            "line 3: mqtt.ca_file: needs an encrypted broker: mqtts://HOST or wss://HOST",
        ),
        ("[mqtt]\nbroker = 'mqtts://h'\nkey_file = 'x'", "mqtt.key_file: needs cert_file"),
        ("[mqtt]\npassword_file = 'x'", "line 2: mqtt.password_file: needs username"),
        ("[record]\npre_roll_s = 60", "line 2: record.pre_roll_s: fills the whole clip"),
        ("[site]\nlongitude = 5", "line 2: site.longitude: needs latitude too"),
        ("[site]\nlatitude = 0", "line 2: site.latitude: needs longitude too"),
        (CAMERA + "username = 'x'", "line 3: source.a.username: is for cameras with an address"),
        (CAMERA + "transport = 'udp'", "source.a.transport: is for rtsp:// cameras"),
        (CAMERA + "[source.a.picamera]\nhdr = true", "source.a.picamera: is for picamera: cameras"),
        (
            "[source.a]\nuri = 'demo:'\n[source.a.v4l2]\nformat = 'raw'",
            "source.a.v4l2: is for usb:",
        ),
        (
            "[source.a]\nuri = 'rtsp://h'\npassword_file = 'x'",
            "source.a.password_file: needs username",
        ),
        (
            CAMERA + "[source.a.mask.m]\npolygon = [[0, 0], [0.5, 0.5], [1, 1]]",
            "source.a.mask.m.polygon: all points lie on one line: nothing is inside",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused(
    tmp_path: Path, text: str, complaint: str
) -> None:
    assert complaint in problems(write(tmp_path, text))[0]


def test_the_users_home_is_known_in_every_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = """[model]
path = "~/m.tflite"
[runtime]
state_dir = "~/state"
delegates = ["external:~/lib.so?a=~", "cpu"]
[mqtt]
broker = "mqtts://h"
username = "me"
password_file = "~/p"
ca_file = "~/ca"
cert_file = "~/c"
key_file = "~/k"
[outbox]
folder = "~/o"
[file]
path = "~/f"
[record]
folder = "~/r"
[source.a]
uri = "dir:~/pictures?watch"
[source.b]
uri = "~/clip~1.mp4"
[source.c]
uri = "rtsp://h/~me"
username = "me"
password_file = "~/c"
"""
    made = config.load(write(tmp_path, text))
    assert "~" not in str(made.model_dump(exclude={"source", "runtime"}))
    assert made.runtime.state_dir == Path("/home/me/state")
    assert made.runtime.delegates == ("external:/home/me/lib.so?a=~", "cpu")
    assert [source.uri for source in made.source.values()] == [
        "dir:/home/me/pictures?watch", "/home/me/clip~1.mp4", "rtsp://h/~me",
    ]  # fmt: skip
    assert made.source["c"].password_file == Path("/home/me/c")


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_file_is_read_as_editors_save_it(
    tmp_path: Path, mark: str, end: str, encoding: str
) -> None:
    text = f'device = "yard"{end}[mqtt]{end}username = "Müller"{end}'
    path = tmp_path / "edge.toml"
    path.write_bytes((mark * (encoding == "utf-8") + text).encode(encoding))
    made = config.load(path)
    assert (made.device, made.mqtt.username) == ("yard", "Müller")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"nowhere\.toml: there is no such configuration file"):
        config.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "text",
    [
        "[mqtt]\npassword = 'hunter2'",
        "[mqtt]\npassword = 'x\nhunter2'",
        "[mqtt]\npassword_file = ['hunter2']",
        "[mqtt]\nbroker = 'mqtt://me:hunter2@host'",
        "[mqtt]\nbroker = mqtt://me:hunter2@host",
        "[source.a]\nuri = ['rtsp://me:hunter2@host']",
        "[source.a]\nuri = rtsp://me:hunter2@host",
        "[source.a]\n'rtsp://me:hunter2@host' = 1",
        "[source.'rtsp://me:hunter2@host']\nuri = '0'",
        "source = 'rtsp://me:hunter2@host'",
        "[source.a]\nuri = 'rtsp://me:hunter2@host'\n[source.a.v4l2]\nformat = 'raw'",
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(FatalError) as caught:
        config.load(write(tmp_path, text))
    assert "hunter2" not in str(caught.value)


def test_the_default_device_is_a_valid_id() -> None:
    assert config.Config(device=config.default_device()).device


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('broker = "wss://farm/mqtt?token=hunter2"', "mqtt.broker: expected nothing behind"),
        ('username = "a\\u0000b"', "mqtt.username: expected one line of at most 1000"),
        ('username = "a\\nERROR: b"', "mqtt.username: expected one line of at most 1000"),
    ],
)
def test_what_a_broker_would_never_understand_is_refused(
    tmp_path: Path, line: str, said: str
) -> None:
    with pytest.raises(FatalError, match=re.escape(said)) as raised:
        config.load(write(tmp_path, f"[mqtt]\n{line}\n"))
    assert "hunter2" not in str(raised.value) and "\n" not in str(raised.value)


def test_a_source_may_have_a_name_that_is_no_utf_8() -> None:
    uri = "dir:caf\udce9"
    made = config.load(None, {"source": {"cafe": {"uri": uri}}})
    assert made.source["cafe"].uri == uri
    assert len(_cameras(made)) == 1


def test_cameras_are_told_apart_by_host_and_path_whatever_is_in_their_query() -> None:
    def seen(uri: str) -> set[str]:
        return _cameras(config.load(None, {"source": {"cam": {"uri": uri}}}))

    one = seen("http://10.0.0.5/snap?user=me@farm")
    assert one != seen("http://10.0.0.6/snap?user=me@farm")
    assert one == seen("HTTP://me:hunter2@10.0.0.5/snap?user=you")
    assert seen("rtsp://10.0.0.5/a@b") != seen("rtsp://10.0.0.6/a@b")
