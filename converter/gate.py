"""What int8 costs against float -> lost, kept or not proven, and which label was hurt most."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from converter.quality import paired_interval
from edge.errors import HedgerowError

ROUNDING = 1e-9
MOST_PICTURES = 1_000_000
"""Where even these would prove nothing, no number is named."""

Outcome = Literal["lost", "kept", "not proven", "not measured"]


class GateError(HedgerowError):
    """int8 lost more accuracy than allowed: exit status 3, the report is there, no model is."""

    exit_status = 3


class UnprovenError(GateError):
    """Asked for proof (`strict`) that int8 lost no more than allowed, and there is none."""

    exit_status = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer."""

    passed: bool
    gated: bool
    """Whether there was an accuracy to judge."""
    drop: float
    """Points of a hundred that int8 lost."""
    hurt: str = ""
    """The label whose recall fell most; empty where none fell or nobody knows."""
    hurt_by: float = 0.0
    """Points of a hundred."""
    outcome: Outcome = "not measured"
    """By the 95 % interval of the change: all of it beyond the budget, within, or across it."""
    pictures: int = 0
    """That measured."""
    enough: int = 0
    """Pictures that would prove it, if int8 changes as many of them; 0: none would."""


def judge(facts: dict[str, Any], max_drop: float, strict: bool = False) -> Verdict:
    """Compare the drop with the budget, both in points of a hundred.

    It fails where the drop that was measured is over the budget, proven or not; with `strict`,
    also where the interval does not prove that it is within. Unlabelled pictures show no accuracy
    and fail only then.
    """
    if "accuracy" not in facts:
        return Verdict(passed=not strict, gated=False, drop=0.0)
    row = facts["accuracy"]
    drop = (row["float"] - row["int8"]) * 100
    falls = {
        one["label"]: (one["float"]["recall"] - one["int8"]["recall"]) * 100
        for one in facts["classes"]
        if one["pictures"]
    }
    hurt = max(falls, key=lambda label: falls[label])
    outcome = _outcome(row, max_drop, facts["data"]["measured_apart"])
    within = drop <= max_drop + ROUNDING
    pictures = facts["data"]["measured_on"]
    return Verdict(
        passed=within and (outcome == "kept" or not strict),
        gated=True,
        drop=drop,
        hurt=hurt if falls[hurt] > 0 else "",
        hurt_by=max(0.0, falls[hurt]),
        outcome=outcome,
        pictures=pictures,
        enough=_enough(row, pictures, max_drop) if outcome == "not proven" else 0,
    )


def _outcome(row: dict[str, Any], max_drop: float, apart: bool) -> Outcome:
    low, high = (value * 100 for value in row["change_95"])
    if high < -max_drop - ROUNDING:
        return "lost"
    # Pictures that also calibrated prove nothing good.
    return "kept" if apart and low >= -max_drop - ROUNDING else "not proven"


def _enough(row: dict[str, Any], pictures: int, max_drop: float) -> int:
    """The fewest pictures whose interval lies on one side of the budget, at these rates."""

    def proves(number: int) -> bool:
        share = number / max(1, pictures)
        low, high = paired_interval(row["lost"] * share, row["gained"] * share, number)
        return low * 100 >= -max_drop or high * 100 < -max_drop

    few, many = pictures, max(1, pictures)
    while not proves(many):
        few, many = many, many * 2
        if many > MOST_PICTURES:
            return 0
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if proves(middle) else (middle, many)
    return many


def said(gate: dict[str, Any]) -> str:
    """The verdict in a line, of the facts in a report."""
    budget = f"--max-drop {gate['max_drop']:g}"
    match gate["outcome"]:
        case "kept":
            return f"kept: the 95 % interval lies within {budget}"
        case "lost":
            return f"lost: the 95 % interval lies beyond {budget}"
        case "not proven":
            return f"not proven with {gate['pictures']} pictures ({budget}): {_advice(gate)}"
        case _:
            return "not measured: the pictures are not labelled"


def _advice(gate: dict[str, Any]) -> str:
    if gate["enough"] > gate["pictures"]:
        return f"about {gate['enough']} would do"
    return "measure on other pictures than those that calibrate"


def complain(verdict: Verdict, max_drop: float, report: Path) -> GateError:
    """The one line of a model that was not written."""
    gate = asdict(verdict) | {"max_drop": max_drop}
    if not gate["gated"] or gate["drop"] <= gate["max_drop"] + ROUNDING:
        return UnprovenError(
            f"--strict: what int8 costs is {said(gate)}: no model was written; see {report}"
        )
    hurt = f", {gate['hurt']!r} most ({gate['hurt_by']:.1f})" if gate["hurt"] else ""
    chance = f", not proven with {gate['pictures']} pictures" if verdict.enough else ""
    return GateError(
        f"int8 loses {gate['drop']:.2f} points of accuracy{hurt}; --max-drop allows "
        f"{gate['max_drop']:g}{chance}: no model was written; see {report}, try more --effort or "
        "more pictures"
    )
