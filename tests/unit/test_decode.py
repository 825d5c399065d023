"""Classify: raw outputs become labelled probabilities."""

import numpy as np
import pytest

from edge.decode import Classify
from edge.errors import FatalError
from edge.head import OutputContract
from edge.model import Contract, InputContract, RejectRule
from edge.types import Fit, TensorSpec

WHOLE = Fit(0, 0, 1, 1)
INT8 = TensorSpec("scores", (1, 3), np.dtype(np.int8), 1 / 256, -128)
FLOAT = TensorSpec("scores", (1, 3), np.dtype(np.float32))


def contract(**changes: object) -> Contract:
    base = Contract(
        name="leaves", input=InputContract(width=8, height=8), labels=("healthy", "rust", "spot")
    )
    return base.model_copy(update=changes)


def test_int8_probabilities_are_sorted() -> None:
    decode = Classify(contract(), INT8)
    found = decode((np.array([[-128, 127, -64]], np.int8),), WHOLE)
    assert [(d.label, d.score, d.box) for d in found] == [
        ("rust", 255 / 256, None),
        ("spot", 0.25, None),
        ("healthy", 0.0, None),
    ]


def test_logits_go_through_softmax_with_the_temperature() -> None:
    logits = (np.array([[1.0, 3.0, 0.0]], np.float32),)
    plain = Classify(contract(output=OutputContract(kind="logits")), FLOAT)(logits, WHOLE)
    warm = Classify(contract(output=OutputContract(kind="logits"), temperature=2.0), FLOAT)
    expected = np.exp([1.0, 3.0, 0.0]) / np.exp([1.0, 3.0, 0.0]).sum()
    assert plain[0].label == "rust"
    assert plain[0].score == pytest.approx(expected[1], rel=1e-5)
    expected = np.exp([0.5, 1.5, 0.0]) / np.exp([0.5, 1.5, 0.0]).sum()
    assert warm(logits, WHOLE)[0].score == pytest.approx(expected[1], rel=1e-5)


def test_temperature_of_probabilities_is_that_of_their_logits() -> None:
    probabilities = (np.array([[0.7, 0.2, 0.1]], np.float32),)
    found = Classify(contract(temperature=2.0), FLOAT)(probabilities, WHOLE)
    expected = np.sqrt([0.7, 0.2, 0.1]) / np.sqrt([0.7, 0.2, 0.1]).sum()
    assert [d.score for d in found] == pytest.approx(expected.tolist(), rel=1e-5)


def test_an_unsure_frame_is_unknown() -> None:
    decode = Classify(contract(reject=RejectRule(below=0.6)), FLOAT)
    found = decode((np.array([[0.5, 0.3, 0.2]], np.float32),), WHOLE)
    assert [(d.label, d.score) for d in found] == [("unknown", 0.5)]


def test_labels_and_outputs_must_agree() -> None:
    with pytest.raises(FatalError, match=r"'scores' has 2 values, the contract names 3 labels"):
        Classify(contract(), TensorSpec("scores", (1, 2), np.dtype(np.float32)))
