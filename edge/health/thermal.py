"""Temperature and the firmware's flags -> the share of the frame rate that the device can bear.

`read` looks, `share` decides: a pure function of what was read.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from edge.config import ThermalConfig

SYS = Path("/sys")
ZONES = "class/thermal/thermal_zone*"
FLAGS = "devices/platform/soc*/soc*:firmware/get_throttled"
"""Of the Raspberry Pi's firmware: hexadecimal, what holds now in the lowest four bits."""
NOW = ("under_voltage", "frequency_capped", "throttled", "soft_limit")
SLOWED = {"frequency_capped", "throttled", "soft_limit"}
PROCESSOR = re.compile(r"cpu|gpu|soc|x86_pkg", re.IGNORECASE)
FIRMWARE_C = 80.0
"""Where a Raspberry Pi 4 or 5 begins to slow down; it publishes no passive trip point."""
PLAUSIBLE_C = (60.0, 120.0)
"""A passive trip point outside of this is a placeholder."""
STEPS = 20
"""The share moves in steps of 1/20: who reads the status sees changes, not noise."""


@dataclass(frozen=True, slots=True)
class Heat:
    """How hot the processor is, and what its firmware does about it."""

    temperature_c: float | None = None
    """Of the hottest processor sensor, °C; None where the kernel tells none."""
    limit_c: float | None = None
    """Where the kernel begins to slow the processor down (the lowest passive trip point), °C."""
    flags: tuple[str, ...] = ()
    """What the firmware says holds now: under_voltage, frequency_capped, throttled, soft_limit."""


def read(sys: Path = SYS) -> Heat:
    """What the kernel tells now; what it does not tell is left out."""
    zones = [zone for zone in sorted(sys.glob(ZONES)) if _is_processor(zone)]
    temperatures = [t for zone in zones if (t := _celsius(zone / "temp")) is not None]
    limits = [limit for zone in zones for limit in _passive(zone)]
    return Heat(max(temperatures, default=None), min(limits, default=None), _flags(sys))


def share(heat: Heat, config: ThermalConfig) -> float:
    """The share of the frame rate to keep, from config.least to 1.

    Full below limit - margin, least at the limit, a straight line between: slower frames cool the
    device, so it settles on the way. Where the firmware has slowed down already, the least.
    """
    if not config.enabled:
        return 1.0
    if SLOWED & set(heat.flags):
        return config.least
    if heat.temperature_c is None:
        return 1.0
    limit_c = config.limit_c or heat.limit_c or FIRMWARE_C
    room = (limit_c - heat.temperature_c) / config.margin_c
    return round(min(1.0, max(config.least, round(room * STEPS) / STEPS)), 3)


def _is_processor(zone: Path) -> bool:
    """Batteries, radios and power chips have sensors too; a Jetson's PMIC always says 100 °C."""
    return PROCESSOR.search(_text(zone / "type")) is not None


def _passive(zone: Path) -> list[float]:
    found = []
    for kind in zone.glob("trip_point_*_type"):
        limit_c = _celsius(kind.with_name(kind.name.replace("_type", "_temp")))
        if _text(kind) == "passive" and limit_c is not None:
            found.append(limit_c)
    return [limit_c for limit_c in found if PLAUSIBLE_C[0] <= limit_c <= PLAUSIBLE_C[1]]


def _flags(sys: Path) -> tuple[str, ...]:
    for path in sys.glob(FLAGS):
        try:
            bits = int(_text(path), 16)
        except ValueError:
            continue
        return tuple(name for bit, name in enumerate(NOW) if bits & 1 << bit)
    return ()


def _celsius(path: Path) -> float | None:
    try:
        return int(_text(path)) / 1000
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
