"""Rules of edge.toml that can never hold together, or never hold at all. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.scene import EventsConfig, ProfileConfig, RuleConfig, minutes
from edge.toml_file import Key

Problem = tuple[Key, str]
"""The key that is wrong, and what is wrong with it."""

PAIRS = (("confirm", "window"), ("leave", "enter"), ("min_area", "max_area"))
RELATED = {key: pair for pair in PAIRS for key in pair}
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class _Value:
    value: float
    where: Key


def contradictions(
    events: EventsConfig, profiles: Mapping[str, ProfileConfig]
) -> Iterator[Problem]:
    """Every pair that contradicts itself, for any label, by day and in each profile.

    Thresholds of the model are not known here: edge.daemon.scene looks at those.
    """
    yield from _hours(profiles)
    told: set[Key] = set()
    labels = dict.fromkeys(["", *events.label])
    for profile in profiles.values():
        labels |= dict.fromkeys(profile.label)
    for label in labels:
        for name in ("", *profiles):
            values = _layered(events, label, name, profiles.get(name))
            for where, said in _pairs(values):
                if where not in told:
                    told.add(where)
                    yield where, said


def _layered(
    events: EventsConfig, label: str, name: str, profile: ProfileConfig | None
) -> dict[str, _Value]:
    """A label's rule with the key of each value: later tables go before earlier ones."""
    layers: list[tuple[Key, EventsConfig | RuleConfig | None]] = [
        (("events",), events),
        (("events", "label", label), events.label.get(label)),
    ]
    if profile is not None:
        layers.append((("profile", name), profile))
        layers.append((("profile", name, "label", label), profile.label.get(label)))
    values = {}
    for where, table in layers:
        for pair in PAIRS:
            for key in pair:
                value = getattr(table, key, None)
                if table is not None and value is not None:
                    is_set = key in table.model_fields_set
                    values[key] = _Value(value, (*where, key) if is_set else ())
    return values


def _pairs(values: dict[str, _Value]) -> Iterator[Problem]:
    for low, high in PAIRS:
        if low in values and high in values:
            lower, upper = values[low], values[high]
            where = max(lower.where, upper.where, key=len)
            said = _wrong(low, lower.value, upper.value)
            if said:
                yield where, said


def _wrong(low: str, value: float, limit: float) -> str:
    if low == "confirm" and value > limit > 0:
        return (
            f"confirm = {value} frames can never be among the latest window = {limit}: set window "
            f"to at least {value}, or to 0 for {value} in a row"
        )
    if low == "leave" and value > limit:
        return f"leave = {value:g} is above enter = {limit:g}: set it to {limit:g} or less"
    if low == "min_area" and value >= limit:
        return f"min_area = {value:g} is not below max_area = {limit:g}: no box would count"
    return ""


def _hours(profiles: Mapping[str, ProfileConfig]) -> Iterator[Problem]:
    """The first profile that covers a minute holds in it."""
    taken: set[int] = set()
    for name, profile in profiles.items():
        start, end = minutes(profile.from_), minutes(profile.until)
        if start == end:
            yield (
                ("profile", name, "until"),
                f"is the same as from ({profile.until}): a profile is for a part of the day; "
                "for the whole day use [events]",
            )
            continue
        hours = {m % DAY_MINUTES for m in range(start, end + DAY_MINUTES * (end < start))}
        if hours <= taken:
            yield (
                ("profile", name, "from"),
                "never holds: profiles above it cover all of its hours, and the first one counts",
            )
        taken |= hours
