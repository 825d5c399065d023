"""What a network expects and gives, from its first and last operators and its configuration."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import outputs
from converter.normalization import chosen, expected
from converter.options import Options
from converter.scan import Scan
from edge.errors import FatalError

IMAGENET = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
FRONTS = {
    "pixels / 255": (0, 1 / 255, "none"),
    "pixels / 127.5 - 1": (-1, 1 / 127.5 - 1, "none"),
    "pixels less their mean": ([-103.9, -116.8, -123.7], [-102.9, -115.8, -122.7], "none"),
    "ImageNet on pixels": (
        -IMAGENET[0] / IMAGENET[1],
        (1 / 255 - IMAGENET[0]) / IMAGENET[1],
        "none",
    ),
    "dark pixels, adapted": (-30 / 12, -29 / 12, "none"),
    "2 x - 1": (-1, 1, "0..1"),
    "x - 0.5": (-0.5, 0.5, "0..1"),
    "ImageNet on 0..1": (-IMAGENET[0] / IMAGENET[1], (1 - IMAGENET[0]) / IMAGENET[1], "0..1"),
    "255 x": (0, 255, "0..1"),
    "back from -1..1 to pixels": (127.5, 255, "-1..1"),
    "from -1..1 to 0..1": (0.5, 1, "-1..1"),
    "the same": (0, 1, "anything"),
    "nothing left": (0, 0, "anything"),
    "not finite": (np.nan, 1, "anything"),
}


@pytest.mark.parametrize("name", FRONTS)
def test_the_input_that_the_first_layers_are_made_for(name: str) -> None:
    at_0, at_1, right = FRONTS[name]
    assert expected(np.asarray(at_0), np.asarray(at_1)) == right


def scanned(*layers: tuple[str, dict[str, Any]]) -> Scan:
    found = [
        {"class_name": kind, "config": {"name": f"layer_{at}"} | config}
        for at, (kind, config) in enumerate(layers)
    ]
    return Scan(Path("m.keras"), "keras", "3", {"class_name": "Sequential", "config": found})


NOTHING = {"normalizes": "", "expects": ""}


def test_what_the_graph_shows_decides() -> None:
    front = {"normalizes": "mul", "expects": "0..1"}
    assert chosen(scanned(), front, Options())[0] == "0..1"
    _, notes = chosen(scanned(), front, Options(normalize="none"))
    assert notes == [
        "the model begins with operator 'mul', made for 0..1, but --normalize none was given"
    ]
    assert chosen(scanned(), front, Options(normalize="0..1")) == ("0..1", [])


def test_else_the_layers_configuration_decides() -> None:
    rescaling = scanned(("Rescaling", {"scale": 1 / 255, "offset": 0.0}), ("Conv2D", {}))
    assert chosen(rescaling, NOTHING, Options())[0] == "none"
    given = scanned(("Normalization", {"mean": [0.5] * 3, "variance": [0.25] * 3}))
    assert chosen(given, NOTHING, Options())[0] == "0..1"
    later = scanned(("Conv2D", {}), ("Rescaling", {"scale": 1 / 255}))
    assert chosen(later, NOTHING, Options()) == (
        "0..1",
        ["no --normalize was given: 0..1 is assumed"],
    )


def test_a_layer_that_does_not_tell_is_asked_about() -> None:
    adapted = scanned(("Normalization", {"mean": None, "variance": None}))
    with pytest.raises(FatalError, match=r"write --normalize none if .* --normalize 0..1 if"):
        chosen(adapted, NOTHING, Options())
    assert chosen(adapted, NOTHING, Options(normalize="none"))[0] == "none"


@pytest.mark.parametrize(
    "layer",
    [
        ("Dense", {"dtype": {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}}),
        ("Dense", {"dtype": "int8_from_float32"}),
        ("Dense", {"quantization_config": {"class_name": "Int4QuantizationConfig"}}),
        ("QuantizeWrapperV2", {}),
        ("QuantizeLayer", {}),
    ],
)
def test_a_model_that_keras_quantized_is_refused(layer: tuple[str, dict[str, Any]]) -> None:
    with pytest.raises(FatalError, match="layer 'layer_1' is quantized in Keras already: give"):
        outputs.refuse_quantized(scanned(("Conv2D", {"dtype": "float32"}), layer))
    outputs.refuse_quantized(scanned(("Dense", {"dtype": {"class_name": "DTypePolicy"}})))


def info(last: str, binary: bool = False, kind: str = "logits") -> dict[str, Any]:
    return {"last": last, "binary": binary, "kind": kind, "sigmoid": False}


def rows(*values: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(values, np.float32)


def test_softmax_over_one_unit_is_refused() -> None:
    with pytest.raises(FatalError, match="always 1: train it with"):
        outputs.refuse_one_unit(Path("m"), info("Softmax", binary=True))
    outputs.refuse_one_unit(Path("m"), info("Sigmoid", binary=True))


def test_activations_without_a_name_are_told_by_their_scores() -> None:
    custom = outputs.meaning(Path("m"), info("RealDiv"), rows((0.2, 0.8), (0.7, 0.3)))
    assert custom[:2] == ("probabilities", False)
    hard = outputs.meaning(Path("m"), info("RealDiv"), rows((0.2, 0.3), (0.7, 0.9)))
    assert hard[:2] == ("probabilities", True)
    linear = outputs.meaning(Path("m"), info("BiasAdd"), rows((0.2, 0.8), (0.7, 0.3)))
    assert linear == ("logits", False, [])
    assert outputs.meaning(Path("m"), info("IdentityN"), rows((-0.2, 3.0)))[0] == "logits"


@pytest.mark.parametrize("last", ["Relu", "RealDiv", "Minimum"])
def test_one_score_that_is_never_negative_is_refused(last: str) -> None:
    """0 against a score of 0 or more would always name the second label."""
    with pytest.raises(FatalError, match="is no sigmoid: end it with activation='sigmoid'"):
        outputs.meaning(Path("m"), info(last, binary=True), rows((0, 0.2), (0, 0.9)))
    logit = outputs.meaning(Path("m"), info("BiasAdd", binary=True), rows((0, 0.2), (0, 0.9)))
    assert logit == ("logits", False, [])
