"""What edge doctor says of a device: findings with what to do."""

from pathlib import Path

import pytest

from edge.config import ThermalConfig
from edge.daemon.checkup import disk, heat, memory
from edge.health.thermal import Heat


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
