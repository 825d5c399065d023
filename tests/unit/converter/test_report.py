"""What a person is told first about a conversion."""

from typing import Any

import pytest

from converter import report


def facts(agreement: float, labels: int) -> dict[str, Any]:
    return {
        "agreement": agreement,
        "labels": [str(n) for n in range(labels)],
        "better_normalizations": [],
        "data": {"labelled": True, "measured_apart": True, "skipped": [], "measured_on": 500},
        "float_operators": [],
        "latency_ms": {"float": 2.0, "int8": 1.0},
        "notes": [],
        "better_labels": None,
        "bytes": {"file": 1, "int8": 1, "float": 2},
    }


CHANGED = (
    "INT8 ANSWERS DIFFERENTLY: 41% of the pictures get another label than from the float model"
)
MORE = "try more --effort or more pictures"


@pytest.mark.parametrize(
    ("agreement", "labels", "said"),
    [
        (0.99, 10_000, []),
        (0.9, 3, []),
        (0.59, 3, [f"{CHANGED}: {MORE}"]),
        (
            0.59,
            10_000,
            [
                f"{CHANGED} (10000 labels share the 256 steps of an int8 probability, and what "
                f"lies below 0.002 becomes 0): {MORE}"
            ],
        ),
    ],
)
def test_labels_that_int8_changes_are_said(agreement: float, labels: int, said: list[str]) -> None:
    assert report.warnings(facts(agreement, labels)) == said
