"""Configuration and contract -> what one source looks for: rules, tracker, zones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from edge.address import read
from edge.config import Config, SourceConfig
from edge.errors import FatalError
from edge.events import EventTracker, ObjectEvents, Profile, Rule, RuleBook
from edge.model import Contract
from edge.motion import MotionGate, MotionRule
from edge.scene import EventsConfig, MotionConfig, RuleConfig, ViewConfig, minutes
from edge.schedule import Schedule
from edge.spelling import Spelling
from edge.summary import Tally
from edge.track import Tracker, TrackRule
from edge.view import View, ViewRule
from edge.zones import Line, Places, Zone

LEAVE_SHARE = 0.75
"""A classifier's leave threshold, as a share of the enter threshold, where none is set."""
LEAVE_SHARE_TRACKED = 0.5
"""A detector's: what overlaps a known object may be far less sure."""
DEFAULT_ENTER = 0.5
"""The enter threshold of every label, where neither contract nor configuration has one."""

RULE_KEYS = (
    "enter", "leave", "confirm", "window", "release", "min_duration_s", "cooldown_s", "update_s",
    "min_area", "max_area",
)  # fmt: skip


def book(contract: Contract, config: Config) -> RuleBook:
    """Which labels become events, when: the configuration's scores, else the contract's.

    A contract that sets no thresholds makes events of all its labels. Raises FatalError where the
    configuration names a label that the model does not have.
    """
    spelling = Spelling((*contract.labels, contract.reject.label))
    table = spelling.table(config.events)
    always = _rules(contract, table, table.labels, [])
    profiles = []
    for name, given in config.profile.items():
        profile = spelling.table(given)
        _known(contract, tuple(profile.label), f"profile.{name}.label")
        labels = table.labels if profile.labels is None else profile.labels
        over = [profile, profile.label]
        rules = _rules(contract, table, labels, over)
        profiles.append(Profile(minutes(profile.from_), minutes(profile.until), rules))
    return RuleBook(always, tuple(profiles), _leave_share(contract), _zone(config))


def without_effect(config: Config) -> list[str]:
    """Labels with rules of their own that never make events."""
    events, profiles = config.events, config.profile.values()
    used = {*events.labels, *(label for p in profiles for label in p.labels or ())}
    return [label for label in events.label if events.labels and label not in used]


@dataclass(frozen=True, slots=True)
class Scene:
    """One source with what is looked for in it; a command may change the rules meanwhile."""

    name: str
    config: Config
    rules: RuleBook


def events(contract: Contract, scene: Scene, numbers: Iterator[int]) -> EventTracker | ObjectEvents:
    """What turns one source's detections into stories."""
    rules, config, source = scene.rules, scene.config, scene.name
    section = config.source[source]
    if contract.task != "detect":
        if section.zone or section.line:
            raise FatalError(
                f"source.{source}: zones and lines need a model with task = detect; "
                f"{contract.name} has task = {contract.task}; to look at a part of the picture, "
                f"set source.{source}.crop = [x_min, y_min, x_max, y_max]"
            )
        return EventTracker(rules, numbers)
    rule = TrackRule(
        lambda label: rules.least(label, "enter"),
        lambda label: rules.least(label, "leave"),
        config.events.lost_s,
        config.events.release,
    )
    return ObjectEvents(rules, Tracker(rule), places(contract, source, section), numbers)


def gate(contract: Contract, config: MotionConfig) -> MotionGate | None:
    """What keeps quiet frames from the model, where it is switched on.

    Raises FatalError where a classifier, which knows no places, is asked to look at a part.
    """
    if not config.enabled:
        return None
    if config.crop and contract.task != "detect":
        raise FatalError(f"motion.crop: needs a model with task = detect; got {contract.task}")
    return MotionGate(MotionRule(config.threshold, config.min_area, config.look_s, config.crop))


def tally(rules: RuleBook, config: Config) -> Tally | None:
    """What counts one source's frames, where summaries are switched on."""
    if not config.summary.enabled:
        return None

    def thresholds() -> dict[str, float]:
        return {label: rule.enter for label, rule in rules.always.items()}

    return Tally(thresholds, config.summary.sample_s, _zone(config))


def view(config: ViewConfig) -> View | None:
    """What judges whether one source's camera can see, where it is switched on."""
    if not config.enabled:
        return None
    return View(ViewRule(config.confirm_s, config.frozen_s, frozenset(config.ignore)))


def schedule(config: Config, source: str) -> Schedule | None:
    """When a source is awake; None: always.

    Raises FatalError where the sun decides and nobody said where on Earth it is looked at.
    """
    section, site = config.source[source].schedule, config.site
    if section is None:
        return None
    if section.by_the_sun and (site.latitude is None or site.longitude is None):
        raise FatalError(
            f"source.{source}.schedule: sunrise and sunset need site.latitude and site.longitude"
        )
    return Schedule(section, site)


def cools_down(rules: RuleBook) -> bool:
    """Whether the end of a story keeps its label quiet at any time of the day."""
    return any(rule.cooldown_s > 0 for hour in rules.hours for rule in hour.values())


def lives(section: SourceConfig) -> bool:
    """Whether a source is a camera or a watched folder, which come back by themselves."""
    address = read(section.uri)
    return not of_files(section) or (address.scheme == "dir" and address.rest.endswith("?watch"))


def of_files(section: SourceConfig) -> bool:
    """Whether it is a folder or a video, which may be missing for now."""
    return read(section.uri).scheme in ("dir", "file")


def keeps_hours(source: str, section: SourceConfig, live: bool) -> None:
    """Raises FatalError where a recording is given a schedule."""
    if section.schedule is not None and not live:
        raise FatalError(f"source.{source}.schedule: a recording has no hours; remove it")


def places(contract: Contract, source: str, section: SourceConfig) -> Places:
    """A source's zones and lines. Raises FatalError for labels that the model does not have."""
    spelled = Spelling(contract.labels).table
    zones_of = {name: spelled(zone) for name, zone in section.zone.items()}
    lines_of = {name: spelled(line) for name, line in section.line.items()}
    for kind, tables in (("zone", zones_of), ("line", lines_of)):
        for name, table in tables.items():
            _known(contract, table.labels, f"source.{source}.{kind}.{name}.labels")
    zones = [Zone(name=name, **dict(zone)) for name, zone in zones_of.items()]
    lines = [Line(name=name, **dict(line)) for name, line in lines_of.items()]
    return Places(tuple(zones), tuple(lines))


def _rules(
    contract: Contract, events: EventsConfig, labels: tuple[str, ...], over: list[Any]
) -> dict[str, Rule]:
    _known(contract, (*labels, *events.label), "events.labels")
    thresholds = contract.thresholds or dict.fromkeys(contract.labels, DEFAULT_ENTER)
    made = {}
    for label in labels or tuple(thresholds):
        layers = [events, events.label.get(label)]
        for table in over:
            layers.append(table.get(label) if isinstance(table, dict) else table)
        values = _layered(layers)
        values.setdefault("enter", thresholds.get(label, DEFAULT_ENTER))
        values.setdefault("leave", values["enter"] * _leave_share(contract))
        made[label] = Rule(**values)
        _can_hold(label, made[label])
    return made


def _can_hold(label: str, rule: Rule) -> None:
    """Tables that are each sound may contradict each other, or the contract, for one label."""
    if rule.leave > rule.enter:
        raise FatalError(
            f"events: {label}: leave = {rule.leave:g} is above enter = {rule.enter:g}, which its "
            "tables or the model's contract set: a story would end as it starts; lower leave"
        )
    if 0 < rule.window < rule.confirm:
        raise FatalError(
            f"events: {label}: confirm = {rule.confirm} frames among a window of {rule.window} "
            "can never hold; raise window, or lower confirm"
        )
    if rule.min_area > rule.max_area:
        raise FatalError(
            f"events: {label}: min_area = {rule.min_area:g} is above max_area = "
            f"{rule.max_area:g}: no object has such a size"
        )


def _leave_share(contract: Contract) -> float:
    return LEAVE_SHARE_TRACKED if contract.task == "detect" else LEAVE_SHARE


def _zone(config: Config) -> ZoneInfo | None:
    """Whose hours and days count; None: the system's."""
    return ZoneInfo(config.site.timezone) if config.site.timezone else None


def _layered(layers: list[RuleConfig | EventsConfig | None]) -> dict[str, Any]:
    """The rule's keys; later tables go before earlier ones, what they leave out stays."""
    values: dict[str, Any] = {}
    for layer in layers:
        for key in RULE_KEYS:
            value = getattr(layer, key, None)
            if value is not None:
                values[key] = value
    return values


def _known(contract: Contract, labels: tuple[str, ...], key: str) -> None:
    strangers = sorted(set(labels) - {*contract.labels, contract.reject.label})
    if strangers:
        raise FatalError(f"{key}: the model {contract.name} has no label {strangers[0]!r}")
