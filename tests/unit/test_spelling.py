"""A label typed in another Unicode form than the model's is that label."""

from itertools import count
from typing import Literal
from unicodedata import normalize

import pytest

from edge.config import Config
from edge.daemon import scene
from edge.head import OutputContract
from edge.model import SCHEMA, Contract, InputContract

Form = Literal["NFC", "NFD"]
FORMS: list[tuple[Form, Form]] = [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")]


@pytest.mark.parametrize(("model", "typed"), FORMS)
def test_rules_zones_and_profiles_find_the_models_label(model: Form, typed: Form) -> None:
    own, label = normalize(model, "Löwenzahn"), normalize(typed, "Löwenzahn")
    contract = Contract(
        schema=SCHEMA, name="x", task="detect", labels=(own, "cat"),
        input=InputContract(width=8, height=8), output=OutputContract(layout="ssd_postprocess"),
    )  # fmt: skip
    zone = {"polygon": [[0, 0], [1, 0], [1, 1]], "labels": [label]}
    line = {"start": [0, 0], "end": [1, 1], "labels": [label]}
    night = {"from": "21:00", "until": "06:00", "label": {label: {"enter": 0.9}}}
    config = Config.model_validate(
        {
            "device": "d",
            "events": {"labels": [label], "label": {label: {"enter": 0.7}}},
            "profile": {"night": night, "noon": night | {"until": "22:00", "labels": [label]}},
            "source": {"a": {"uri": "usb:0", "zone": {"z": zone}, "line": {"l": line}}},
        }
    )
    book = scene.book(contract, config)
    assert book.always[own].enter == 0.7
    assert [profile.rules[own].enter for profile in book.profiles] == [0.9, 0.9]
    scene.events(contract, scene.Scene("a", config, book), count())


def test_a_rule_without_effect_is_known() -> None:
    events = {"labels": ["cat"], "label": {"cat": {}, "dog": {}, "cow": {}}}
    night = {"from": "21:00", "until": "06:00", "labels": ["cow"]}
    config = Config.model_validate({"device": "d", "events": events, "profile": {"night": night}})
    assert scene.without_effect(config) == ["dog"]
    assert scene.without_effect(Config.model_validate({"device": "d"})) == []
