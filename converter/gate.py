"""What int8 costs against float -> passed, or which label was hurt most."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import HedgerowError

ROUNDING = 1e-9


class GateError(HedgerowError):
    """int8 lost more accuracy than allowed: exit status 3, the report is there, no model is."""

    exit_status = 3


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


def judge(facts: dict[str, Any], max_drop: float) -> Verdict:
    """Compare the drop with the budget, both in points of a hundred.

    Unlabelled pictures show no accuracy and cannot fail; the report says that nothing was gated.
    """
    if "accuracy" not in facts:
        return Verdict(passed=True, gated=False, drop=0.0)
    drop = (facts["accuracy"]["float"] - facts["accuracy"]["int8"]) * 100
    falls = {
        row["label"]: (row["float"]["recall"] - row["int8"]["recall"]) * 100
        for row in facts["classes"]
        if row["pictures"]
    }
    hurt = max(falls, key=lambda label: falls[label])
    passed = drop <= max_drop + ROUNDING
    if falls[hurt] <= 0:
        return Verdict(passed, gated=True, drop=drop)
    return Verdict(passed, True, drop, hurt, falls[hurt])


def complain(verdict: Verdict, max_drop: float, report: Path) -> GateError:
    """The one line of a model that was not written."""
    hurt = f", {verdict.hurt!r} most ({verdict.hurt_by:.1f})" if verdict.hurt else ""
    return GateError(
        f"int8 loses {verdict.drop:.2f} points of accuracy{hurt}; --max-drop allows "
        f"{max_drop:g}: no model was written; see {report}, try more --effort or more pictures"
    )
