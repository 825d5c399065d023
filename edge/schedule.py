"""Hours, days, sun and duty cycle -> whether a source is awake. Pure: asked with a time."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from zoneinfo import ZoneInfo

from edge.scene import ScheduleConfig, SiteConfig

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
NOMINAL = {"sunrise": 6 * 60, "sunset": 18 * 60}
"""Decides whether `until` lies on the next day, whatever the season."""
REFRACTED = -0.833
"""The sun's height, degrees, at which it rises and sets: its upper edge, bent by the air."""
NEAR, YEAR = range(-2, 9), range(9, 370)
"""Days around today in which the next change is looked for: usually, and in a polar night."""


class Schedule:
    """One source's hours. `active(unix_s)` is cheap enough to be asked every second."""

    def __init__(self, config: ScheduleConfig, site: SiteConfig) -> None:
        self._config = config
        self._site = site
        self._zone = ZoneInfo(site.timezone) if site.timezone else None
        """None: the system's, as datetime's functions take it."""
        self._window = lru_cache(maxsize=400)(self._find_window)

    def active(self, unix_s: float, clock_set: bool = True) -> bool:
        """Whether the source is awake at that moment.

        While nobody has set the clock, hours and days cannot be kept and every hour counts as
        awake: a camera that sees too much misses nothing. The duty cycle goes on.
        """
        if not clock_set:
            return self._on_duty(unix_s, 0.0)
        today = self._date(unix_s)
        windows = (self._window(today + timedelta(days=n)) for n in range(-2, 2))
        return any(
            start_s <= unix_s < end_s and self._on_duty(unix_s, start_s)
            for start_s, end_s in windows
        )

    def next_change(self, unix_s: float) -> float | None:
        """When the source wakes up or falls asleep next; None: not within a year."""
        now, today = self.active(unix_s), self._date(unix_s)
        near = sorted(m for n in NEAR for m in self._changes(today + timedelta(days=n), unix_s))
        far = (m for n in YEAR for m in self._changes(today + timedelta(days=n), unix_s))
        return next((m for m in chain(near, far) if self.active(m) != now), None)

    def _changes(self, day: date, after_s: float) -> Iterator[float]:
        """Moments of that day's window at which something may change, ascending."""
        start_s, end_s = self._window(day)
        moments = [start_s]
        every_s = self._config.every_s
        if every_s:
            turn_s = start_s + (max(after_s, start_s) - start_s) // every_s * every_s
            moments += [turn_s + self._config.for_s, turn_s + every_s]
        moments = [moment_s for moment_s in moments if moment_s < end_s] + [end_s]
        return (moment_s for moment_s in moments if moment_s > after_s and start_s < end_s)

    def _on_duty(self, unix_s: float, start_s: float) -> bool:
        every_s = self._config.every_s
        return not every_s or (unix_s - start_s) % every_s < self._config.for_s

    def _find_window(self, day: date) -> tuple[float, float]:
        """The hours that begin on that day: start and end, seconds since 1970; none: (0, 0)."""
        config = self._config
        if config.days and DAYS[day.weekday()] not in config.days:
            return 0.0, 0.0
        until = config.until or "24:00"
        past_midnight = _nominal(until) <= _nominal(config.from_ or "00:00")
        start_s = self._moment(day, config.from_ or "00:00")
        end_s = self._moment(day + timedelta(days=past_midnight), until)
        return (start_s, end_s) if start_s < end_s else (0.0, 0.0)

    def _moment(self, day: date, mark: str) -> float:
        """`21:30`, `24:00` or `sunset-00:30` of a day, seconds since 1970."""
        sun, minutes = _read(mark)
        if sun:
            return self._sun(day, sun == "sunset") + minutes * 60
        days, minutes = divmod(minutes, DAY_MINUTES)
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        local = midnight + timedelta(days=days, minutes=minutes)  # by the clock on the wall
        return local.timestamp()

    def _sun(self, day: date, sets: bool) -> float:
        """The sunrise before or the sunset after a day's solar noon, seconds since 1970.

        Where there is none, what they come close to as that season begins: in a polar night both
        are at noon, in a polar day twelve hours from it.
        """
        from astral import Observer, sun

        assert self._site.latitude is not None
        assert self._site.longitude is not None
        where = Observer(self._site.latitude, self._site.longitude)
        noon = sun.noon(where, day)
        noon = sun.noon(where, day + (day - noon.astimezone(self._zone).date()))
        side, half_day = 1 if sets else -1, timedelta(hours=12)
        for n in (0, -1, 1):
            try:
                find = sun.sunset if sets else sun.sunrise
                found = find(where, noon.date() + timedelta(days=n), UTC)
            except ValueError:
                continue
            if timedelta(0) < (found - noon) * side <= half_day:
                return found.timestamp()
        polar_day = sun.elevation(where, noon, with_refraction=False) > REFRACTED
        return (noon + half_day * side if polar_day else noon).timestamp()

    def _date(self, unix_s: float) -> date:
        return datetime.fromtimestamp(unix_s, self._zone).date()


def _read(mark: str) -> tuple[str, int]:
    """`sunset-00:30` -> (sunset, -30); `21:30` -> ("", 1290)."""
    sun, sign, hours, minutes = re.findall(r"^(sun[a-z]+)?([+-]?)(?:(\d\d):(\d\d))?$", mark)[0]
    passed = int(hours or 0) * 60 + int(minutes or 0)
    return sun, -passed if sign == "-" else passed


def _nominal(mark: str) -> int:
    sun, minutes = _read(mark)
    return NOMINAL.get(sun, 0) + minutes
