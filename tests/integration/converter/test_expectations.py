"""What networks expect and give, told by TensorFlow's own graphs of them."""

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

EXPECTS = {
    "rescaling from pixels": "none",
    "rescaling from 0..1": "0..1",
    "rescaling to pixels": "0..1",
    "rescaling from -1..1": "-1..1",
    "there and back": "anything",
    "resized first": "none",
    "adapted to pixels": "none",
    "adapted to 0..1": "0..1",
    "ImageNet's": "0..1",
    "caffe's": "none",
    "no front": "",
}


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.expectations"],
        check=True,
        env=environment,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", EXPECTS)
def test_the_input_that_a_network_is_made_for(told: dict[str, Any], name: str) -> None:
    assert told[name]["expects"] == EXPECTS[name]


def test_one_unit_of_tanh_becomes_two_probabilities(told: dict[str, Any]) -> None:
    one = told["one unit, tanh"]
    assert (one["binary"], one["kind"]) == (True, "probabilities")
    second = (one["keras"][0] + 1) / 2
    np.testing.assert_allclose(one["scores"], [1 - second, second], atol=1e-5)


def test_the_last_operator_is_told(told: dict[str, Any]) -> None:
    assert told["one unit, softmax"]["last"] == "Softmax"
    assert told["one unit, hard_sigmoid"]["last"] not in {"Sigmoid", "AddV2", "BiasAdd"}
    assert told["one unit, linear"]["kind"] == "logits"
    assert told["softmax by hand"]["last"] == "RealDiv"


def test_a_float64_network_gives_the_same_scores(told: dict[str, Any]) -> None:
    np.testing.assert_allclose(told["float64"]["scores"], told["float64"]["keras"], atol=1e-5)


@pytest.mark.parametrize("way", ["stretch", "crop", "letterbox"])
def test_pixels_are_those_of_keras_own_layer(told: dict[str, Any], way: str) -> None:
    assert told["resizing"][way] <= 1.0
