"""From edge.toml and the contract to each label's rule: what is refused, and what leave is."""

from typing import Any

import pytest

from edge.config import Config
from edge.daemon import scene
from edge.errors import FatalError
from edge.head import OutputContract
from edge.model import Contract, InputContract

CLASSIFIER = Contract(
    name="leaf",
    input=InputContract(width=96, height=96),
    labels=("rust", "healthy"),
    thresholds={"rust": 0.6},
)
DETECTOR = Contract(
    name="yard",
    task="detect",
    input=InputContract(width=96, height=96),
    output=OutputContract(layout="yolov8"),
    labels=("person", "car"),
    thresholds={"person": 0.6},
)


def config(**tables: Any) -> Config:
    return Config.model_validate({"device": "field", "source": {"cam": {"uri": "demo:"}}} | tables)


def test_scores_come_from_the_contract_unless_the_configuration_has_them() -> None:
    assert scene.book(CLASSIFIER, config()).always["rust"].enter == 0.6
    book = scene.book(CLASSIFIER, config(events={"label": {"rust": {"enter": 0.8}}}))
    assert book.always["rust"].enter == 0.8
    assert scene.book(CLASSIFIER, config()).labels == ("rust",)


@pytest.mark.parametrize(("contract", "label", "share"), [
    (CLASSIFIER, "rust", 0.75), (DETECTOR, "person", 0.5),
])  # fmt: skip
def test_leave_is_the_same_share_at_the_start_and_after_a_command(
    contract: Contract, label: str, share: float
) -> None:
    book = scene.book(contract, config())
    before = book.always[label]
    assert before.leave == pytest.approx(share * before.enter)
    book.set_threshold(label, before.enter)
    assert book.always[label] == before


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"events": {"leave": 0.7}}, "rust: leave = 0.7 is above enter = 0.6"),
        (
            {"events": {"window": 4, "label": {"rust": {"confirm": 5}}}},
            "confirm = 5 frames among a window of 4 can never hold",
        ),
        (
            {"events": {"min_area": 0.3, "label": {"rust": {"max_area": 0.2}}}},
            "min_area = 0.3 is above max_area = 0.2",
        ),
        (
            {"profile": {"night": {"from": "21:00", "until": "06:00", "leave": 0.9}}},
            "leave = 0.9 is above enter = 0.6",
        ),
        ({"events": {"labels": ["rusty"]}}, "has no label 'rusty'"),
    ],
)
def test_tables_that_contradict_each_other_or_the_model_are_refused(
    tables: dict[str, Any], says: str
) -> None:
    with pytest.raises(FatalError, match=says):
        scene.book(CLASSIFIER, config(**tables))


def test_the_hours_of_profiles_and_days_are_those_of_the_site() -> None:
    night = {"night": {"from": "21:00", "until": "06:00", "enter": 0.9}}
    book = scene.book(CLASSIFIER, config(profile=night, site={"timezone": "Asia/Tokyo"}))
    noon_in_tokyo, late_in_tokyo = 1780282800, 1780318800  # 2026-06-01, 12:00 and 22:00
    assert book.at(noon_in_tokyo)["rust"].enter == 0.6
    assert book.at(late_in_tokyo)["rust"].enter == 0.9
