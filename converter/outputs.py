"""What a network's last operator and its scores say -> what its outputs mean, or a refusal."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from converter.measure import Scores
from converter.scan import Scan
from edge.errors import FatalError

LINEAR = {"BiasAdd", "MatMul", "AddV2", "Add", "Conv2D", "Mean"}
"""Behind these, a score is a logit."""
KNOWN = {"Softmax", "Sigmoid", "Tanh", "LogSoftmax"}
SAME = 1e-3
Meaning = tuple[Literal["probabilities", "logits"], bool, list[str]]
"""The kind of the scores, whether they are independent of each other, and what to say."""


def refuse_quantized(found: Scan) -> None:
    """Raises FatalError for a model whose layers are quantized in Keras already."""
    for layer in found.layers():
        kind = layer.config.get("dtype")
        policy = str(kind.get("class_name") if isinstance(kind, dict) else kind)
        if (
            layer.config.get("quantization_config")
            or policy.startswith("Quantized")
            or "_from_float" in policy
            or layer.kind.startswith("Quantize")  # tensorflow-model-optimization
        ):
            raise FatalError(
                f"{found.path}: layer {layer.name!r} is quantized in Keras already: give the float "
                "model, saved before it was quantized"
            )


def refuse_one_unit(path: Path, info: dict[str, Any]) -> None:
    """Raises FatalError for softmax over one unit, which is 1 whatever the picture is."""
    if info["binary"] and info["last"] in {"Softmax", "LogSoftmax"}:
        raise FatalError(
            f"{path}: ends in softmax over one unit, which is always 1: train it with "
            "Dense(1, activation='sigmoid') or with one unit for each label"
        )


def meaning(path: Path, info: dict[str, Any], scores: Scores) -> Meaning:
    """What the scores of the pictures are, for activations that have no name as well.

    Raises FatalError for one score that is neither a logit nor a known probability.
    """
    kind, last = info["kind"], info["last"]
    notes = ["the network ends in sigmoid: its labels do not exclude each other"]
    if kind == "probabilities" or last in LINEAR or not len(scores):
        return kind, info["sigmoid"], notes if info["sigmoid"] else []
    inside = bool((scores >= -SAME).all() and (scores <= 1 + SAME).all())
    if info["binary"]:
        if last not in KNOWN and (scores[:, 1] >= 0).all():
            raise FatalError(
                f"{path}: its one score is never below 0 behind {last}, which is no sigmoid: "
                "end it with activation='sigmoid', or with one unit for each label and softmax"
            )
        return kind, False, []
    if inside and np.abs(scores.sum(axis=1) - 1).max() <= SAME:
        return "probabilities", False, [f"the scores behind {last} add up to 1: probabilities"]
    if inside:
        return "probabilities", True, [f"the scores behind {last} are taken for probabilities"]
    return kind, False, [f"the scores behind {last} are taken for logits"] if last == "Tanh" else []
