"""Rules that can never hold together are found for every label, by day and by night."""

import pytest

from edge.contradictions import contradictions
from edge.scene import EventsConfig, ProfileConfig, RuleConfig


def found(events: EventsConfig, **profiles: ProfileConfig) -> list[str]:
    return [
        f"{'.'.join(map(str, where))}: {said}" for where, said in contradictions(events, profiles)
    ]


def hours(start: str, end: str, **rule: object) -> ProfileConfig:
    return ProfileConfig.model_validate({"from": start, "until": end, **rule})


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (EventsConfig(confirm=8, window=5), "events.confirm: confirm = 8 frames can never be"),
        (EventsConfig(window=2), "events.window: confirm = 3 frames can never be among the latest"),
        (EventsConfig(enter=0.6, leave=0.7), "events.leave: leave = 0.7 is above enter = 0.6"),
        (EventsConfig(min_area=0.5, max_area=0.5), "events.min_area: min_area = 0.5 is not below"),
        (
            EventsConfig(enter=0.6, label={"cat": RuleConfig(leave=0.7)}),
            "events.label.cat.leave: leave = 0.7 is above enter = 0.6: set it to 0.6 or less",
        ),
        (
            EventsConfig(leave=0.5, label={"cat": RuleConfig(enter=0.4)}),
            "events.label.cat.enter: leave = 0.5 is above enter = 0.4",
        ),
        (
            EventsConfig(label={"cat": RuleConfig(window=2)}),
            "events.label.cat.window: confirm = 3 frames",
        ),
    ],
)
def test_a_pair_that_contradicts_itself(events: EventsConfig, said: str) -> None:
    (told,) = found(events)
    assert told.startswith(said)


@pytest.mark.parametrize(
    "events",
    [
        EventsConfig(),
        EventsConfig(confirm=5, window=5),
        EventsConfig(confirm=8, window=0),
        EventsConfig(enter=0.6, leave=0.6),
        EventsConfig(confirm=8, window=9, label={"cat": RuleConfig(confirm=9)}),
        EventsConfig(enter=0.3, leave=0.2, label={"cat": RuleConfig(enter=0.9, leave=0.8)}),
    ],
)
def test_a_pair_that_holds(events: EventsConfig) -> None:
    assert found(events, night=hours("21:00", "06:00")) == []


def test_a_profile_is_looked_at_over_the_rules_that_it_changes() -> None:
    events = EventsConfig(leave=0.5, label={"cat": RuleConfig(window=4)})
    night = hours("21:00", "06:00", enter=0.4, label={"cat": RuleConfig(confirm=5)})
    assert [line.partition(" =")[0] for line in found(events, night=night)] == [
        "profile.night.enter: leave",
        "profile.night.label.cat.confirm: confirm",
    ]


@pytest.mark.parametrize(
    ("profiles", "where"),
    [
        ({"a": ("21:00", "21:00")}, ["profile.a.until"]),
        ({"a": ("00:00", "00:00")}, ["profile.a.until"]),
        ({"a": ("21:00", "06:00"), "b": ("22:00", "05:00")}, ["profile.b.from"]),
        (
            {"a": ("06:00", "18:00"), "b": ("18:00", "06:00"), "c": ("05:00", "06:01")},
            ["profile.c.from"],
        ),
        ({"a": ("21:00", "06:00"), "b": ("20:00", "07:00")}, []),
        ({"a": ("06:00", "18:00"), "b": ("18:00", "06:00")}, []),
        ({"a": ("23:59", "00:00"), "b": ("00:00", "00:01")}, []),
    ],
)
def test_a_profile_that_never_holds(profiles: dict[str, tuple[str, str]], where: list[str]) -> None:
    made = {name: hours(*of) for name, of in profiles.items()}
    assert [line.partition(":")[0] for line in found(EventsConfig(), **made)] == where
