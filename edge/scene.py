"""The tables of edge.toml that say what to look for, where and when."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from edge.complaints import ID_PATTERN

LEAST_CROP = 0.02
"""A camera's picture is read so large that its cut is `width` pixels wide."""


def _window(crop: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x_min, y_min, x_max, y_max = crop
    if x_min >= x_max or y_min >= y_max:
        raise ValueError("expected [x_min, y_min, x_max, y_max] with x_min < x_max, y_min < y_max")
    if min(x_max - x_min, y_max - y_min) < LEAST_CROP:
        raise ValueError(f"leaves less than {LEAST_CROP:.0%} of the picture's side")
    return crop


def at_home(value: str, *schemes: str) -> str:
    """`dir:~/pictures` -> `dir:/home/me/pictures`, behind any of the schemes."""
    parts = re.match(f"({'|'.join(schemes)})(~[^/?]*)", value)
    if parts is None:
        return value
    try:
        return f"{parts[1]}{Path(parts[2]).expanduser()}{value[parts.end() :]}"
    except RuntimeError:
        raise ValueError("~ is not known here (no HOME): write the whole path") from None


def _has_area(ring: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Some corner turns: the points do not all lie on one line."""
    pairs = list(zip(ring, ring[1:] + ring[:1], strict=True))
    turns = {round((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]), 9)
             for a, b in pairs for p in ring}  # fmt: skip
    if turns == {0}:
        raise ValueError("all points lie on one line: nothing is inside")
    return ring


Score = Annotated[float, Field(ge=0, le=1)]
FilePath = Annotated[
    Path, Field(strict=False), AfterValidator(lambda path: Path(at_home(str(path), "")))
]
"""A file or folder; ~ is the user's home, a relative one begins where the process was started."""
Id = Annotated[str, Field(pattern=ID_PATTERN, max_length=64)]
LONG_S = 1e8
"""Three years: what is longer is a slip, and more than clocks and waits can take."""
Seconds = Annotated[float, Field(ge=0, le=LONG_S)]
Span = Annotated[float, Field(gt=0, le=LONG_S)]
Frames = Annotated[int, Field(ge=1, le=1000)]
Time = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Point = Annotated[tuple[Score, Score], Field(strict=False)]
Ring = Annotated[
    tuple[Point, ...], Field(strict=False, min_length=3, max_length=100), AfterValidator(_has_area)
]
Crop = Annotated[tuple[Score, Score, Score, Score], Field(strict=False), AfterValidator(_window)]
"""x_min, y_min, x_max, y_max."""
Names = Annotated[tuple[str, ...], Field(strict=False)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Mark = Annotated[
    str,
    Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|sun(rise|set)([+-]0\d:[0-5]\d)?)?$"),
]
"""A time of the day: 21:30, sunrise, sunset-00:30, sunrise+01:00; empty: none."""


class Section(BaseModel):
    """A table of edge.toml: unknown keys and wrong types are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=True,
        allow_inf_nan=False,
    )  # fmt: skip


class RuleConfig(Section):
    """What may differ by label and by time of day; None: as the table above says."""

    enter: Score | None = None
    leave: Score | None = None
    confirm: Frames | None = None
    window: Annotated[int, Field(ge=0, le=1000)] | None = None
    release: Frames | None = None
    min_duration_s: Seconds | None = None
    cooldown_s: Seconds | None = None
    update_s: Seconds | None = None
    min_area: Score | None = None
    max_area: Score | None = None


class EventsConfig(Section):
    """When a label becomes an event; scores left out come from the model's contract."""

    labels: Names = ()
    enter: Score | None = None
    leave: Score | None = None
    confirm: Frames = 3
    window: Annotated[int, Field(ge=0, le=1000)] = 0
    release: Frames = 5
    lost_s: Seconds = 1.5
    min_duration_s: Seconds = 0.0
    cooldown_s: Seconds = 0.0
    update_s: Seconds = 60.0
    min_area: Score = 0.0
    max_area: Score = 1.0
    label: dict[str, RuleConfig] = Field(default={})


class ProfileConfig(RuleConfig):
    """Other rules for a part of the day, local time."""

    from_: Time = Field(alias="from")
    until: Time
    labels: Names | None = None
    label: dict[str, RuleConfig] = Field(default={})


class ZoneConfig(Section):
    """A named polygon in a source's frame."""

    polygon: Ring
    holes: Annotated[tuple[Ring, ...], Field(strict=False)] = ()
    labels: Names = ()
    anchor: Literal["bottom", "center"] = "bottom"
    ignore: bool = False
    required: bool = False
    stay_s: Seconds = 0.0

    @model_validator(mode="after")
    def _one_purpose(self) -> "ZoneConfig":
        if self.ignore and (self.required or self.stay_s):
            raise ValueError("an ignore zone cannot be required nor have stay_s")
        return self


class LineConfig(Section):
    """A named line in a source's frame."""

    start: Point
    end: Point
    labels: Names = ()
    anchor: Literal["bottom", "center"] = "bottom"

    @model_validator(mode="after")
    def _has_length(self) -> "LineConfig":
        if self.start == self.end:
            raise ValueError("start and end are the same point")
        return self


class MaskConfig(Section):
    """A named polygon in which nothing is ever seen."""

    polygon: Ring


class MotionConfig(Section):
    """Inference only when, and if asked only where, something moves."""

    enabled: bool = False
    threshold: float = Field(default=12.0, gt=0, le=255)
    min_area: Score = 0.002
    look_s: Span = 10.0
    crop: bool = False


class ViewConfig(Section):
    """Whether each camera can see."""

    enabled: bool = True
    confirm_s: Span = 10.0
    frozen_s: Span = 20.0
    ignore: Annotated[
        tuple[Literal["dark", "bright", "blurred", "covered", "frozen", "moved"], ...],
        Field(strict=False),
    ] = ()


class SummaryConfig(Section):
    """Incidence per source and day."""

    enabled: bool = False
    sample_s: Seconds = 60.0
    publish_s: Span = 900.0


class RecordConfig(Section):
    """Snapshots and clips of events, on this device's disk."""

    snapshots: bool = False
    clips: bool = False
    folder: FilePath | None = None
    draw: bool = True
    width: int = Field(default=640, ge=64, le=3840)
    fps: float = Field(default=10.0, gt=0, le=60)
    pre_roll_s: float = Field(default=5.0, ge=0, le=60)
    post_roll_s: float = Field(default=3.0, ge=0, le=60)
    max_clip_s: float = Field(default=60.0, gt=0, le=600)
    keep_days: float = Field(default=14.0, gt=0, le=36_500)
    keep_mb: float = Field(default=500.0, gt=0)
    free_mb: float = Field(default=500.0, ge=0)

    @model_validator(mode="after")
    def _shows_the_event(self) -> "RecordConfig":
        if self.pre_roll_s >= self.max_clip_s:
            raise ValueError(
                f"pre_roll_s fills the whole clip: set it below max_clip_s = {self.max_clip_s:g}"
            )
        return self


class SiteConfig(Section):
    """Where this device is, for sunrise and sunset."""

    latitude: float | None = Field(default=None, ge=-89.9, le=89.9)
    longitude: float | None = Field(default=None, ge=-180, le=180)
    timezone: str = ""

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(value).key if value else ""
        except (OSError, ValueError, KeyError):
            raise ValueError(_no_zone(value)) from None

    @model_validator(mode="after")
    def _on_earth(self) -> "SiteConfig":
        if (self.latitude is None) != (self.longitude is None):
            both = ["latitude", "longitude"]
            one, other = both if self.longitude is None else reversed(both)
            raise ValueError(f"{one} needs {other} too")
        return self


def _no_zone(value: str) -> str:
    """What is wrong with a time zone, with one that would do."""
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    known = {zone.lower(): zone for zone in available_timezones()}
    if not known:
        return "this system has no time zone data: apt install tzdata, or leave timezone empty"
    city = [zone for zone in known if zone.endswith(f"/{value.lower()}")]
    near = city or get_close_matches(value.lower(), [z for z in known if "/" in z], 1)
    advice = f"did you mean {known[near[0]]}?" if near else "write one as Europe/Berlin"
    return f"there is no time zone {value[:40]!r}: {advice}"


class ScheduleConfig(Section):
    """When a source is awake."""

    days: Annotated[tuple[Weekday, ...], Field(strict=False)] = ()
    from_: Mark = Field(default="", alias="from")
    until: Mark = ""
    every_s: Seconds = 0.0
    for_s: Seconds = 0.0

    @model_validator(mode="after")
    def _makes_sense(self) -> "ScheduleConfig":
        if self.from_ and self.from_ == self.until:
            raise ValueError("from and until are the same: leave both out for the whole day")
        if not (0 < self.for_s < self.every_s or self.for_s == self.every_s == 0):
            raise ValueError("expected for_s above 0 and below every_s, or neither of them")
        return self

    @property
    def by_the_sun(self) -> bool:
        """Whether it takes the place on Earth to know."""
        return "sun" in self.from_ + self.until


def minutes(time: str) -> int:
    """`21:30` -> minutes since midnight."""
    hours, rest = re.split(":", time)
    return int(hours) * 60 + int(rest)
