"""Configuration: what is right is taken over, what is wrong is named with file, key and value."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from edge import config
from edge.errors import FatalError
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
    made = config.load(write(tmp_path, text))
    assert made.source["yard"].line["door"].start == (0.2, 0.8)
    assert made.profile["night"].label["person"].confirm == 5
    assert made.source["yard"].schedule == ScheduleConfig()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[modle]\npath = 'x'", "modle: unknown key"),
        (
            "[source.barn]\nuri = 'usb:0'\nfps = 'x'",
            "source.barn.fps: expected a valid number, got 'x'",
        ),
        (
            "[source.barn]\nuri = 'usb:0'\nfps = -1",
            "source.barn.fps: expected a value greater than or equal to 0, got -1",
        ),
        ("[source.barn]\nfps = 5", "source.barn.uri: is missing"),
        ("[source.'The Barn']\nuri = 'usb:0'", "source.The Barn"),
        (
            "[mqtt]\nbroker = 'localhost'",
            "mqtt.broker: expected mqtt://HOST:PORT, mqtts, ws, wss or embedded",
        ),
        ("[mqtt]\nbroker = 'mqtt://h:99999'", "mqtt.broker: expected mqtt://HOST:PORT"),
        ("[events]\nenter = 60", "events.enter: expected a value less than or equal to 1, got 60"),
        ("[runtime]\nthreads = true", "runtime.threads: expected a valid integer, got True"),
        (
            "[source.a]\nuri='0'\n[source.a.schedule]\nfrom = '25:00'",
            "source.a.schedule.from: expected to match",
        ),
        (
            "[source.a]\nuri='0'\n[source.a.schedule]\nevery_s = 600",
            "source.a.schedule: expected for_s above 0 and below every_s, or neither of them",
        ),
        ("[site]\ntimezone = 'Berlin'", "site.timezone: there is no time zone 'Berlin'"),
        ("device = 'My Pi'", "device: expected to match"),
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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"nowhere\.toml: there is no such configuration file"):
        config.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "text",
    ["[mqtt]\npassword = 'hunter2'", "[mqtt]\nbroker = 'mqtt://me:hunter2@host'"],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(FatalError) as caught:
        config.load(write(tmp_path, text))
    assert "hunter2" not in str(caught.value)


def test_the_default_device_is_a_valid_id() -> None:
    assert config.Config(device=config.default_device()).device
