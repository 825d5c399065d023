"""Schedules: hours, days, sun and duty cycle, on the clock of the wall."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Config
from edge.daemon import scene
from edge.feed.clock import clock_set
from edge.model import SCHEMA, Contract, InputContract
from edge.scene import ScheduleConfig, SiteConfig
from edge.schedule import Schedule

BERLIN = SiteConfig(latitude=52.52, longitude=13.405, timezone="Europe/Berlin")
TROMSO = SiteConfig(latitude=69.65, longitude=18.96, timezone="Europe/Oslo")
KIRITIMATI = SiteConfig(latitude=1.9, longitude=-157.4, timezone="Pacific/Kiritimati")
"""Its day is a day ahead of its longitude."""
HOUR = 3600.0


def schedule(site: Any = BERLIN, **keys: Any) -> Schedule:
    return Schedule(ScheduleConfig.model_validate(keys), site)


def at(text: str, site: SiteConfig = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(site.timezone)).timestamp()


def hours(made: Schedule, day: str, site: SiteConfig = BERLIN) -> list[str]:
    """When it wakes and falls asleep on a local day."""
    moment_s, found = at(day, site) - 1, []
    while (change_s := made.next_change(moment_s)) and change_s < at(day, site) + 24 * HOUR:
        moment = datetime.fromtimestamp(change_s, ZoneInfo(site.timezone))
        found.append(f"{moment:%H:%M} {'awake' if made.active(change_s) else 'asleep'}")
        moment_s = change_s
    return found


def test_hours_of_the_day() -> None:
    day = schedule(**{"from": "06:00", "until": "21:30"})
    assert hours(day, "2026-06-01") == ["06:00 awake", "21:30 asleep"]
    assert day.active(at("2026-06-01 06:00")) and not day.active(at("2026-06-01 21:30"))
    assert hours(schedule(until="21:30"), "2026-06-01") == ["00:00 awake", "21:30 asleep"]


def test_hours_that_cross_midnight_belong_to_the_day_on_which_they_begin() -> None:
    friday = schedule(days=["fri"], **{"from": "22:00", "until": "06:00"})
    assert hours(friday, "2026-06-05") == ["22:00 awake"]
    assert hours(friday, "2026-06-06") == ["06:00 asleep"]
    assert hours(friday, "2026-06-07") == []


def test_days_without_hours_are_whole_days() -> None:
    weekend = schedule(days=["sat", "sun"])
    assert weekend.next_change(at("2026-06-03")) == at("2026-06-06")
    assert weekend.next_change(at("2026-06-06")) == at("2026-06-08")
    assert schedule().next_change(at("2026-06-01")) is None


def test_the_sun_in_berlin() -> None:
    """Almanacs print 4:43 and 21:33 for 21 June 2026, to the minute."""
    day = schedule(**{"from": "sunrise", "until": "sunset"})
    rises = day.next_change(at("2026-06-21"))
    assert rises == pytest.approx(at("2026-06-21 04:43"), abs=60)
    assert rises is not None
    assert day.next_change(rises) == pytest.approx(at("2026-06-21 21:33"), abs=60)
    shifted = schedule(**{"from": "sunset-00:30", "until": "sunrise+01:00"})
    assert hours(shifted, "2026-06-21") == ["05:43 asleep", "21:02 awake"]
    assert hours(schedule(**{"from": "22:30", "until": "sunrise"}), "2026-06-21") == [
        "04:43 asleep", "22:30 awake",
    ]  # fmt: skip


def test_a_polar_day_is_all_day_and_a_polar_night_all_night() -> None:
    day = schedule(TROMSO, **{"from": "sunrise", "until": "sunset"})
    night = schedule(TROMSO, **{"from": "sunset", "until": "sunrise"})
    for month, bright in ((6, True), (12, False)):
        for hour in range(0, 24, 3):
            moment_s = at(f"2026-{month:02}-21 {hour:02}:00", TROMSO)
            assert day.active(moment_s) is bright
            assert night.active(moment_s) is not bright
    back = day.next_change(at("2026-12-01", TROMSO))
    assert back is not None
    assert at("2027-01-13", TROMSO) < back < at("2027-01-17", TROMSO), "the sun is back"


def test_hours_around_the_sun_shrink_to_nothing_not_to_a_whole_day() -> None:
    short = schedule(TROMSO, **{"from": "sunrise+02:00", "until": "sunset-02:00"})
    assert hours(short, "2026-11-22", TROMSO) == []
    late = schedule(TROMSO, **{"from": "sunrise", "until": "sunset"})
    assert hours(late, "2026-05-16", TROMSO) == ["01:33 awake", "23:59 asleep"]


def test_the_date_is_the_local_one_where_it_is_ahead_of_the_longitude() -> None:
    monday = schedule(KIRITIMATI, days=["mon"], **{"from": "sunrise", "until": "sunset"})
    assert len(hours(monday, "2026-06-01", KIRITIMATI)) == 2
    assert hours(monday, "2026-06-02", KIRITIMATI) == []


def test_daylight_saving_time_moves_hours_with_the_clock_on_the_wall() -> None:
    day = schedule(**{"from": "01:00", "until": "06:00"})
    spring, autumn = at("2026-03-29 01:00"), at("2026-10-25 01:00")
    assert (day.next_change(spring), day.next_change(autumn)) == (
        spring + 4 * HOUR,
        autumn + 6 * HOUR,
    )
    gap = schedule(**{"from": "02:30", "until": "04:00"})
    assert hours(gap, "2026-03-29") == ["03:30 awake", "04:00 asleep"], "there is no 02:30"
    twice = schedule(**{"from": "02:30", "until": "04:00"})
    assert at("2026-10-25 04:00") - at("2026-10-25 02:30") == 2.5 * HOUR
    assert hours(twice, "2026-10-25") == ["02:30 awake", "04:00 asleep"], "the first 02:30"


def test_a_duty_cycle_begins_with_the_hours() -> None:
    made = schedule(every_s=600, for_s=30, **{"from": "06:05", "until": "06:30"})
    assert hours(made, "2026-06-01") == [
        "06:05 awake", "06:05 asleep", "06:15 awake", "06:15 asleep", "06:25 awake", "06:25 asleep",
    ]  # fmt: skip


def test_a_clock_that_is_not_set_keeps_no_hours_but_the_duty_cycle() -> None:
    night = schedule(**{"from": "22:00", "until": "06:00"})
    assert night.active(0.0, clock_set=False)
    solar = schedule(every_s=600, for_s=30, **{"from": "22:00", "until": "06:00"})
    awake = [solar.active(float(second), clock_set=False) for second in range(1200)]
    assert sum(awake) == 60


def test_a_battery_clock_counts_as_set(tmp_path: Path) -> None:
    (tmp_path / "rtc0").mkdir()
    told = tmp_path / "rtc0" / "hctosys"
    told.write_text("1\n")
    assert clock_set(1.8e9, tmp_path)


MARKS = st.one_of(
    st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59)),
    st.builds(
        "{}{}{:02d}:{:02d}".format,
        st.sampled_from(["sunrise", "sunset"]), st.sampled_from("+-"),
        st.integers(0, 9), st.integers(0, 59),
    ),
)  # fmt: skip


@given(
    marks=st.tuples(MARKS, MARKS).filter(lambda marks: marks[0] != marks[1]),
    place=st.tuples(st.floats(-89.9, 89.9), st.floats(-180, 180)),
    zone=st.sampled_from(["Europe/Berlin", "Pacific/Kiritimati", "America/New_York", ""]),
    moment_s=st.floats(1.7e9, 2.0e9),
    duty=st.sampled_from([(0.0, 0.0), (600.0, 30.0), (86400.0, 3600.0)]),
)
def test_nothing_changes_before_the_next_change(
    marks: tuple[str, str], place: tuple[float, float], zone: str, moment_s: float,
    duty: tuple[float, float],
) -> None:  # fmt: skip
    site = SiteConfig(latitude=place[0], longitude=place[1], timezone=zone)
    made = schedule(site, every_s=duty[0], for_s=duty[1], **{"from": marks[0], "until": marks[1]})
    now, change_s = made.active(moment_s), made.next_change(moment_s)
    until_s = moment_s + 7 * 86400 if change_s is None else change_s
    for share in (0.0, 0.2, 0.5, 0.9, 0.999):
        assert made.active(moment_s + share * (until_s - moment_s)) is now
    if change_s is not None:
        assert made.active(change_s) is not now


def test_a_year_of_sunrises_comes_in_order() -> None:
    for site in (BERLIN, TROMSO, KIRITIMATI):
        made = schedule(site, **{"from": "sunrise", "until": "sunset"})
        first = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo(site.timezone))
        windows = [made._window((first + timedelta(days=n)).date()) for n in range(365)]
        starts = [start for start, end in windows if start < end]
        assert starts == sorted(starts)


@pytest.mark.parametrize("keys", [{"every_s": 600.0}, {"for_s": 5.0, "every_s": 5.0}])
def test_a_duty_cycle_needs_both(keys: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="for_s above 0 and below every_s"):
        schedule(**keys)


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Berlin", 20), ("America/New_York", 2)])
def test_profiles_count_the_hours_of_the_site(zone: str, hour: int) -> None:
    """21:30 there, in June, wherever the system's clock thinks it is."""
    contract = Contract(
        schema=SCHEMA, name="x", labels=("person",), input=InputContract(width=8, height=8)
    )
    night = {"from": "21:00", "until": "22:00", "enter": 0.9}
    config = Config.model_validate(
        {"device": "d", "site": {"timezone": zone}, "profile": {"night": night}}
    )
    book = scene.book(contract, config)
    moment = datetime(2026, 6, 2, hour - 1, 30, tzinfo=UTC)
    assert book.at(moment.timestamp())["person"].enter == 0.9
    assert book.at((moment + timedelta(hours=1)).timestamp())["person"].enter == 0.5
