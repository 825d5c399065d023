"""Heat: what the kernel tells, what share of the frame rate is kept, and how it is kept."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from edge.config import ThermalConfig
from edge.health.pace import LONGEST_S, Pace
from edge.health.thermal import Heat, read, share

CONFIG = ThermalConfig()
celsius = st.floats(-40, 130)


def zone(sys: Path, number: int, kind: str, milli: int, passive: int | None = None) -> None:
    folder = sys / f"class/thermal/thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "temp").write_text(f"{milli}\n")
    if passive is not None:
        (folder / "trip_point_0_type").write_text("passive\n")
        (folder / "trip_point_0_temp").write_text(f"{passive}\n")


def firmware(sys: Path, bits: str, soc: str = "soc") -> None:
    folder = sys / f"devices/platform/{soc}/{soc}:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text(f"{bits}\n")


def test_a_raspberry_pi(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 71_530)
    firmware(tmp_path, "50005")
    heat = read(tmp_path)
    assert heat == Heat(71.53, None, ("under_voltage", "throttled"))


def test_a_jetson_has_many_sensors_and_a_trip_point_of_its_own(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 61_000, passive=99_000)
    zone(tmp_path, 1, "gpu-thermal", 63_500, passive=97_000)
    zone(tmp_path, 2, "PMIC-Die", 100_000)
    zone(tmp_path, 3, "iwlwifi_1", 70_000)
    assert read(tmp_path) == Heat(63.5, 97.0)


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", 0)
    (tmp_path / "class/thermal/thermal_zone0/temp").unlink()
    assert read(tmp_path) == Heat()
    assert share(Heat(), CONFIG) == 1.0


def test_frames_go_before_the_firmware_slows_down() -> None:
    assert [share(Heat(t), CONFIG) for t in (60.0, 72.0, 76.0, 78.4, 80.0, 90.0)] == [
        1.0, 1.0, 0.5, 0.2, 0.2, 0.2,
    ]  # fmt: skip
    assert share(Heat(90.0, limit_c=99.0), CONFIG) == 1.0, "the kernel's own limit is higher"
    assert share(Heat(66.0), ThermalConfig(limit_c=70.0)) == 0.5, "so is who configures it"


def test_what_the_firmware_already_slowed_down_gets_the_least() -> None:
    assert share(Heat(50.0, flags=("soft_limit",)), CONFIG) == CONFIG.least
    assert share(Heat(50.0, flags=("under_voltage",)), CONFIG) == 1.0
    assert share(Heat(95.0, flags=("throttled",)), ThermalConfig(enabled=False)) == 1.0


@given(celsius, celsius, st.floats(0.01, 1), st.floats(0.1, 50))
def test_hotter_never_means_more_frames(a: float, b: float, least: float, margin_c: float) -> None:
    config = ThermalConfig(least=least, margin_c=margin_c)
    cooler, hotter = share(Heat(min(a, b)), config), share(Heat(max(a, b)), config)
    assert round(least, 3) <= hotter <= cooler <= 1.0


def frames(pace: Pace, period_s: float, pictures: int, since_s: float) -> int:
    """How many of a camera's pictures are taken by somebody who asks at that pace."""
    taken, now_s = 0, since_s
    for number in range(pictures):
        comes_s = since_s + (number + 1) * period_s
        if comes_s >= now_s:
            taken += 1
            now_s = comes_s + pace.wait_s(comes_s)
    return taken


@given(st.floats(0.02, 1.0), st.floats(0.2, 1.0))
def test_a_share_of_a_cameras_frames_is_kept(period_s: float, kept: float) -> None:
    pace = Pace()
    assert frames(pace, period_s, 100, since_s=0.0) == 100
    pace.share = kept
    some = frames(pace, period_s, 200, since_s=200 * period_s)
    # A camera's pictures come when they come: every second, third ... of them is what can be had.
    assert 200 / (1 / kept + 1.1) - 2 <= some <= 200 * kept + 2


def test_a_device_that_starts_hot_learns_first() -> None:
    pace = Pace()
    pace.share = 0.5
    waits = [pace.wait_s(n * 0.1) for n in range(40)]
    assert waits[:10] == [0.0] * 10
    assert waits[11] == approx(0.1)


def test_no_wait_is_endless() -> None:
    pace = Pace()
    for n in range(20):
        pace.wait_s(n * 30.0)
    pace.share = 0.2
    assert pace.wait_s(600.0) == LONGEST_S
