"""How often the gate errs, by simulation: `python -m tests.benchmarks.gate [SEED]`.

Models whose true change is known are measured on so many pictures, 20,000 times each: how often
the interval holds the truth, which verdict is given, and how often a model is written.
"""

import sys
from collections import Counter
from typing import Any

import numpy as np

from converter import gate, quality

CONVERSIONS = 20_000
BUDGET = 1.0
TRUTHS = ((0.0, 0.0), (0.005, 0.005), (0.02, 0.02), (0.02, 0.01), (0.03, 0.01), (0.04, 0.01))
"""Shares of the pictures that int8 loses and gains."""
COLUMNS = (
    "lost - gained",
    "pictures",
    "covered",
    "kept",
    "not proven",
    "lost",
    "written",
    "strict",
)
PICTURES = (105, 200, 400, 800, 2000)


def seen(lost: int, gained: int, pictures: int) -> dict[str, Any]:
    """The facts of one conversion, as far as the gate asks."""
    return {
        "accuracy": {
            "float": 0.5,
            "int8": 0.5 + (gained - lost) / pictures,
            "lost": lost,
            "gained": gained,
            "change_95": list(quality.paired_interval(lost, gained, pictures)),
        },
        "data": {"measured_on": pictures, "measured_apart": True},
        "classes": [{"label": "a", "pictures": 1, "float": {"recall": 1}, "int8": {"recall": 1}}],
    }


def main() -> None:
    """A line for each truth and number of pictures."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    random = np.random.default_rng(seed)
    print(f"seed {seed}, --max-drop {BUDGET:g}, {CONVERSIONS} conversions each")
    print("  ".join(one.rjust(12) for one in COLUMNS))
    for lost, gained in TRUTHS:
        for pictures in PICTURES:
            draws = random.multinomial(pictures, [lost, gained, 1 - lost - gained], CONVERSIONS)
            counts = Counter((int(row[0]), int(row[1])) for row in draws)
            held, written, outcomes = 0, 0, Counter[str]()
            for (down, up), times in counts.items():
                facts = seen(down, up, pictures)
                found = gate.judge(facts, BUDGET)
                low, high = facts["accuracy"]["change_95"]
                held += times * (low <= gained - lost <= high)
                written += times * found.passed
                outcomes[found.outcome] += times
            kept, unproven, gone = (outcomes[one] for one in ("kept", "not proven", "lost"))
            row = [f"{100 * lost:.1f} - {100 * gained:.1f}", f"{pictures}"]
            row += [f"{n / CONVERSIONS:.1%}" for n in (held, kept, unproven, gone, written, kept)]
            print("  ".join(one.rjust(12) for one in row))


if __name__ == "__main__":
    main()
