"""Calibration error, temperature, reject threshold, the gate and the choice between candidates."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import crossfit, gate, quality
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


def facts(lost: int, gained: int, pictures: int = 100, apart: bool = True) -> dict[str, Any]:
    """Of a conversion that was measured on so many pictures, 90 % right in float."""
    rows = [("cow", 0.9, 0.8), ("dog", 0.9, 0.95)]
    return {
        "accuracy": {
            "float": 0.9,
            "int8": 0.9 + (gained - lost) / pictures,
            "lost": lost,
            "gained": gained,
            "change_95": list(quality.paired_interval(lost, gained, pictures)),
        },
        "data": {"measured_on": pictures, "measured_apart": apart},
        "classes": [
            {"label": label, "pictures": 10, "float": {"recall": a}, "int8": {"recall": b}}
            for label, a, b in rows
        ],
    }


def test_the_gate_closes_above_the_budget_and_names_who_was_hurt() -> None:
    open_gate = gate.judge(facts(1, 0), 1.0)
    closed = gate.judge(facts(2, 0), 1.0)
    assert open_gate.passed
    assert not closed.passed
    assert closed.hurt == "cow"
    error = gate.complain(closed, 1.0, Path("m.report.html"))
    assert error.exit_status == 3
    assert "loses 2.00 points of accuracy, 'cow' most (10.0)" in str(error)
    assert "not proven with 100 pictures" in str(error)


@pytest.mark.parametrize(
    ("lost", "gained", "pictures", "outcome", "passed"),
    [
        (0, 0, 105, "not proven", True),  # an honest small test that lost nothing
        (0, 0, 276, "kept", True),
        (1, 1, 1000, "kept", True),
        (1, 0, 105, "not proven", True),
        (3, 0, 105, "not proven", False),
        (20, 2, 105, "lost", False),
        (30, 0, 1000, "lost", False),
    ],
)
def test_the_interval_says_lost_kept_or_not_proven(
    lost: int, gained: int, pictures: int, outcome: str, passed: bool
) -> None:
    seen = facts(lost, gained, pictures)
    assert (found := gate.judge(seen, 1.0)).outcome == outcome
    assert found.passed is passed
    assert gate.judge(seen, 1.0, strict=True).passed is (outcome == "kept")


def test_so_many_pictures_would_do(lost: int = 1, gained: int = 1) -> None:
    found = gate.judge(facts(lost, gained, 105), 1.0)
    share = found.enough / 105
    low, _ = quality.paired_interval(lost * share, gained * share, found.enough)
    assert low >= -0.01
    share = (found.enough - 1) / 105
    low, _ = quality.paired_interval(lost * share, gained * share, found.enough - 1)
    assert low < -0.01
    assert gate.judge(facts(0, 0, 105), 1.0).enough == 276
    text = gate.said(asdict(found) | {"max_drop": 1.0})
    assert text == f"not proven with 105 pictures (--max-drop 1): about {found.enough} would do"


def test_where_no_number_of_pictures_would_do_none_is_named() -> None:
    found = gate.judge(facts(1, 0, 100), 1.0)  # exactly the budget
    assert (found.outcome, found.enough) == ("not proven", 0)


def test_strict_has_an_exit_status_of_its_own() -> None:
    found = gate.judge(facts(0, 0), 1.0, strict=True)
    error = gate.complain(found, 1.0, Path("m.report.html"))
    assert error.exit_status == 4
    assert "not proven with 100 pictures" in str(error) and "no model was written" in str(error)
    lost = gate.complain(gate.judge(facts(9, 0), 1.0, strict=True), 1.0, Path("m.html"))
    assert lost.exit_status == 3


def test_pictures_that_also_calibrated_prove_nothing() -> None:
    found = gate.judge(facts(0, 0, 1000, apart=False), 1.0)
    assert (found.outcome, found.passed) == ("not proven", True)
    assert "other pictures than those that calibrate" in gate.said(asdict(found) | {"max_drop": 1})


@pytest.mark.parametrize("pictures", [105, 200, 400])
@pytest.mark.parametrize(("lost", "gained"), [(0.04, 0.01), (0.02, 0.01), (0.01, 0.0)])
def test_a_model_that_lost_its_budget_or_more_is_hardly_ever_called_kept(
    pictures: int, lost: float, gained: float
) -> None:
    """Over all that can be seen, with the chances of a trinomial draw: the interval leaves 2.5 %
    on either side. The budget is what the model truly lost, or less."""
    called = 0.0
    for down in range(min(pictures, 40) + 1):
        for up in range(min(pictures - down, 40) + 1):
            if gate.judge(facts(down, up, pictures), 1.0).outcome == "kept":
                same = pictures - down - up
                draws = math.comb(pictures, down) * math.comb(pictures - down, up)
                called += draws * lost**down * gained**up * (1 - lost - gained) ** same
    assert called < 0.03


def test_without_labels_nothing_is_gated() -> None:
    verdict = gate.judge({"agreement": 0.5}, 0.0)
    assert verdict.passed
    assert not verdict.gated
    strict = gate.judge({"agreement": 0.5}, 0.0, strict=True)
    assert not strict.passed
    assert gate.complain(strict, 0.0, Path("m.html")).exit_status == 4


def drawn(random: np.random.Generator, pictures: int, sure: float = 1.0) -> tuple[Any, Any]:
    """Logits and labels; `sure` is how much the logits overstate what is true of the labels."""
    logits = random.normal(size=(pictures, 3)).astype(np.float32) * 2
    chances = probabilities(CONTRACT, logits).astype(np.float64).cumsum(axis=1)
    truth = (random.random((pictures, 1)) > chances / chances[:, -1:]).sum(axis=1)
    return logits * sure, truth


def test_a_temperature_is_taken_where_it_helps_others_and_only_there() -> None:
    random = np.random.default_rng(1)
    taken = [crossfit.temperature_helps(CONTRACT, *drawn(random, 100)) for _ in range(30)]
    assert sum(taken) <= 6, "of networks that are calibrated already"
    taken = [crossfit.temperature_helps(CONTRACT, *drawn(random, 100, 3.0)) for _ in range(10)]
    assert all(taken), "of networks that are three times too sure"


def test_the_reject_shares_are_those_of_new_pictures() -> None:
    """Known and unknown pictures that look alike: no threshold parts them, and none may seem to."""
    random, seemed, fitted = np.random.default_rng(2), [], []
    for _ in range(60):
        known, unknown = random.random((2, 20)).astype(np.float32)
        below = quality.reject_threshold(known, unknown)
        fitted.append(float((unknown < below).mean() - (known < below).mean()))
        known_share, unknown_share = crossfit.rejected(known, unknown)
        seemed.append(unknown_share - known_share)
    assert np.mean(fitted) > 0.15, "on the pictures that chose it"
    assert abs(np.mean(seemed)) < 0.1


def test_every_picture_is_in_one_part() -> None:
    for parts in (crossfit.spread(13), crossfit.runs(13)):
        assert np.bincount(parts).tolist() in ([3, 3, 3, 2, 2], [3, 3, 2, 3, 2])
    assert crossfit.rejected(np.ones(1, np.float32), np.zeros(0, np.float32)) == (0.0, 0.0)


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
