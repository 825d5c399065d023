"""Calibration error, temperature, reject threshold, the gate and the choice between candidates."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import gate, quality
from converter.choice import Candidate, best
from edge.decode import probabilities
from edge.errors import FatalError
from edge.head import OutputContract
from edge.model import Contract, InputContract

CONTRACT = Contract(
    name="m",
    input=InputContract(width=4, height=4),
    output=OutputContract(kind="logits"),
    labels=("a", "b", "c"),
)


def test_ece_is_the_gap_between_confidence_and_accuracy() -> None:
    chances = np.array([[0.8, 0.2]] * 10, np.float32)
    truth = np.array([0] * 6 + [1] * 4)
    assert quality.ece(chances, truth) == pytest.approx(0.2, abs=1e-6)
    assert quality.ece(np.array([[1.0, 0.0]] * 4, np.float32), np.zeros(4, np.int64)) == 0


def test_the_temperature_that_was_put_in_is_found() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3)).astype(np.float32) * 2
    chances = probabilities(CONTRACT, logits)
    truth = np.array([random.choice(3, p=row / row.sum()) for row in chances.astype(np.float64)])
    assert quality.temperature(CONTRACT, logits * 3, truth) == pytest.approx(3, rel=0.1)
    assert quality.temperature(CONTRACT, logits[:5], truth[:5]) == 1.0


def test_the_reject_threshold_parts_known_from_unknown() -> None:
    known = np.array([0.9, 0.95, 0.8, 0.85], np.float32)
    unknown = np.array([0.3, 0.5, 0.4], np.float32)
    assert 0.5 < quality.reject_threshold(known, unknown) < 0.8


def test_the_change_counts_the_pictures_that_were_lost_and_gained() -> None:
    truth = np.zeros(100, np.int64)
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    one = np.array([right] * 90 + [wrong] * 10, np.float32)
    other = np.array([wrong] * 5 + [right] * 87 + [wrong] * 8, np.float32)
    change = quality.paired_change(one, other, truth)
    assert (change.lost, change.gained) == (5, 2)
    differences = (other[:, 0] - one[:, 0]).astype(np.float64)
    assert change.standard_error == pytest.approx(differences.std() / 10)
    assert change.interval_95[0] < -0.03 < change.interval_95[1]


def test_the_interval_is_that_of_one_more_picture_either_way() -> None:
    """7 of 21 lost, 1 gained: the airway data of Fagerland et al. 2014, by hand."""
    mean, error = -6 / 23, math.sqrt((10 / 23 - (6 / 23) ** 2) / 23)
    expected = mean - 1.96 * error, mean + 1.96 * error
    assert quality.paired_interval(7, 1, 21) == pytest.approx(expected)


def test_no_picture_that_changed_is_no_proof_that_none_will() -> None:
    low, high = quality.paired_interval(0, 0, 100)
    assert low == -high
    assert 0.02 < high < 0.04  # the rule of three: 3 of 100


@pytest.mark.parametrize(("lost", "gained"), [(0.005, 0.0), (0.02, 0.01), (0.05, 0.05), (0.2, 0.1)])
@pytest.mark.parametrize("pictures", [20, 100, 200])
def test_the_interval_holds_the_truth_as_often_as_it_says(
    pictures: int, lost: float, gained: float
) -> None:
    """Summed over all that can be seen, with the chances of a trinomial draw."""
    held = 0.0
    for down in range(pictures + 1):
        for up in range(pictures + 1 - down):
            low, high = quality.paired_interval(down, up, pictures)
            if low <= gained - lost <= high:
                same = pictures - down - up
                draws = math.comb(pictures, down) * math.comb(pictures - down, up)
                held += draws * lost**down * gained**up * (1 - lost - gained) ** same
    assert held > 0.935


def facts(float_accuracy: float, int8_accuracy: float) -> dict[str, Any]:
    rows = [("cow", 0.9, 0.8), ("dog", 0.9, 0.95)]
    return {
        "accuracy": {"float": float_accuracy, "int8": int8_accuracy},
        "classes": [
            {"label": label, "pictures": 10, "float": {"recall": a}, "int8": {"recall": b}}
            for label, a, b in rows
        ],
    }


def test_the_gate_closes_above_the_budget_and_names_who_was_hurt() -> None:
    open_gate = gate.judge(facts(0.90, 0.89), 1.0)
    closed = gate.judge(facts(0.90, 0.88), 1.0)
    assert open_gate.passed
    assert not closed.passed
    assert closed.hurt == "cow"
    error = gate.complain(closed, 1.0, Path("m.report.html"))
    assert error.exit_status == 3
    assert "loses 2.00 points of accuracy, 'cow' most (10.0)" in str(error)


def test_without_labels_nothing_is_gated() -> None:
    verdict = gate.judge({"agreement": 0.5}, 0.0)
    assert verdict.passed
    assert not verdict.gated


def candidate(
    name: str, divergences: list[float], learned: int = 0, mixed: bool = False
) -> Candidate:
    """With the last `learned` pictures known to it."""
    rows = np.arange(len(divergences))[::-1]
    agreed = np.ones(len(divergences))
    return Candidate(name, b"", {}, b"", np.array(divergences), agreed, 0.0, rows < learned, mixed)


def test_the_simplest_of_equals_is_kept_and_a_clearly_better_one_is_taken() -> None:
    plain = candidate("plain", [0.10, 0.12, 0.11, 0.09])
    alike = candidate("alike", [0.12, 0.10, 0.09, 0.10])
    better = candidate("better", [0.01, 0.02, 0.01, 0.01])
    assert best([plain, alike]).name == "plain"
    assert best([plain, alike, better]).name == "better"
    with pytest.raises(FatalError, match="no int8 candidate"):
        best([])


def test_what_learned_from_all_pictures_must_be_provably_closer() -> None:
    plain = candidate("plain", [0.10, 0.12, 0.11, 0.09])
    alike = candidate("tuned", [0.09, 0.13, 0.10, 0.09], learned=4)
    closer = candidate("tuned", [0.05, 0.06, 0.06, 0.05], learned=4)
    assert best([plain, alike]).name == "plain"
    assert best([plain, closer]) is closer


def test_what_learned_is_judged_by_the_pictures_that_it_does_not_know() -> None:
    """The first 12 pictures are new to it, the last 12 it learned by heart."""
    plain = candidate("plain", [0.1, 0.2] * 12)
    by_heart = candidate("tuned", [0.1, 0.2] * 6 + [0.0] * 12, learned=12)
    closer = candidate("tuned", [0.08, 0.17] * 6 + [0.1, 0.2] * 6, learned=12)
    assert best([plain, by_heart]) is plain
    assert best([plain, closer]) is closer
    assert best([plain, by_heart, closer]) is closer


def test_ends_in_float_must_be_provably_closer_and_the_fewest_suffice() -> None:
    plain = candidate("plain", [0.10, 0.12, 0.11, 0.09])
    alike = candidate("none", [0.09, 0.13, 0.10, 0.09], mixed=True)
    two = candidate("two", [0.05, 0.06, 0.05, 0.05], mixed=True)
    four = candidate("four", [0.05, 0.05, 0.06, 0.05], mixed=True)
    eight = candidate("eight", [0.01, 0.02, 0.01, 0.02], mixed=True)
    assert best([plain, alike]) is plain
    assert best([plain, alike, two, four]) is two
    assert best([plain, alike, two, four, eight]) is eight


def test_what_is_in_float_is_no_way_to_int8() -> None:
    with pytest.raises(FatalError, match="no int8 candidate"):
        best([candidate("mixed", [0.1], mixed=True)])
