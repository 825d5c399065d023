"""What edge doctor says of a device: findings with what to do."""

from pathlib import Path

import pytest

from edge.config import Config, MqttConfig, OutboxConfig, ThermalConfig
from edge.daemon.checkup import check_up, disk, heat, memory
from edge.feed.access import SERVICE_PASSWORD, missing_password, password
from edge.health.thermal import Heat
from tests.conftest import need


@pytest.mark.parametrize(
    ("free_mb", "level"), [(99.0, "error"), (101.0, "warning"), (499.0, "warning"), (501.0, "ok")]
)
def test_disk(free_mb: float, level: str) -> None:
    found = disk(Path("/var/lib/hedgerow"), free_mb)
    assert found.level == level
    assert (level == "ok") == ("make room" not in found.text)


@pytest.mark.parametrize(
    ("free_kb", "level"), [(90_000, "error"), (150_000, "warning"), (900_000, "ok")]
)
def test_memory(free_kb: int, level: str) -> None:
    text = f"MemTotal:  4000000 kB\nMemFree:   1 kB\nMemAvailable:  {free_kb} kB\n"
    assert memory(text).level == level


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (Heat(), "ok", "unknown"),
        (Heat(51.2), "ok", "51 °C"),
        (Heat(76.0), "warning", "76 °C: only 50% of the frames"),
        (Heat(82.0, None, ("frequency_capped", "soft_limit")), "warning", "soft limit: cool it"),
        (Heat(50.0, None, ("under_voltage", "throttled")), "error", "power supply"),
    ],
)
def test_heat_and_power(found: Heat, level: str, words: str) -> None:
    said = heat(found, ThermalConfig())
    assert said.level == level
    assert words in said.text


@pytest.mark.parametrize(
    "saved",
    [b"h\xc3\xbcnter2\n", b"\xef\xbb\xbfh\xc3\xbcnter2\r\n", b"h\xfcnter2\r\n", b"h\xfcnter2"],
)
def test_a_password_is_read_as_editors_save_it(tmp_path: Path, saved: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(saved)
    assert password(MqttConfig(username="me", password_file=path)) == "hünter2"


def test_a_user_name_without_a_password_is_said_with_the_file_to_create(tmp_path: Path) -> None:
    need(not SERVICE_PASSWORD.exists(), "a machine without the service's password")
    empty = tmp_path / "password"
    empty.write_text("\n")
    assert missing_password(MqttConfig()) is None
    told = missing_password(MqttConfig(username="me"))
    assert told and "'me' has no password: write it into /etc/hedgerow/mqtt-password" in told
    assert f"write it into {empty}" in str(
        missing_password(MqttConfig(username="me", password_file=empty))
    )
    empty.write_text("x")
    assert missing_password(MqttConfig(username="me", password_file=empty)) is None


def test_of_a_folder_that_cannot_be_looked_at_the_disk_is_still_known(tmp_path: Path) -> None:
    """The same as a folder of somebody else's, which root can look into."""
    folder = tmp_path / ("x" * 300) / "out"
    made = Config(outbox=OutboxConfig(folder=folder), mqtt=MqttConfig(broker="embedded"))
    assert any(f"free for {folder}" in found.text for found in check_up(made))
