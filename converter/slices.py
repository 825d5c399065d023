"""Which pictures were named rightly, and a table of where they come from -> which slices are worse.

A slice is all pictures with one value in one column: one site, one camera, one season.
"""

from dataclasses import asdict, dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.measure import Truth
from converter.slice_table import MOST_VALUES, Table
from edge.summary import wilson

LEVEL = 0.05
"""The chance that a model which is equally good everywhere has any slice flagged."""

Right = npt.NDArray[np.bool_]
"""(n,) whether the answer is the true label."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One value of one attribute, against all other pictures that have a value there."""

    attribute: str
    value: str
    pictures: int
    accuracy: float
    interval_95: tuple[float, float]
    """Wilson's."""
    rest: float
    """Accuracy of the others."""
    expected: float
    """What the others' accuracy per label would give on this slice's labels."""
    p: float
    """Fisher's exact test, one-sided: the chance of so many mistakes, were it like the rest."""
    p_holm: float
    """The same, corrected for the number of slices (Holm)."""
    worse: bool


def judge(table: Table, right: Right, truth: Truth) -> list[Slice]:
    """Every slice, in the table's order, the worst of an attribute first."""
    raw = [
        (column, value, np.array(values) == value, np.array(values) != "")
        for column, values in table.columns.items()
        for value in sorted(set(values) - {""})
        if len(set(values) - {""}) > 1
    ]
    chances = [_p(right, inside, known) for _, _, inside, known in raw]
    made = [
        _slice(one, right, truth, (p, corrected))
        for one, p, corrected in zip(raw, chances, holm(chances), strict=True)
    ]
    order = {column: at for at, column in enumerate(table.columns)}
    return sorted(made, key=lambda one: (order[one.attribute], one.accuracy))


def _p(right: Right, inside: Right, known: Right) -> float:
    wrong = ~right
    return fisher(
        int((wrong & inside).sum()), int(inside.sum()), int((wrong & known).sum()), int(known.sum())
    )


def _slice(
    raw: tuple[str, str, Right, Right], right: Right, truth: Truth, chances: tuple[float, float]
) -> Slice:
    column, value, inside, known = raw
    others = known & ~inside
    of_label = [
        right[chosen].mean()
        if (chosen := others & (truth == label)).any()
        else right[others].mean()
        for label in truth[inside]
    ]
    return Slice(
        column,
        value,
        pictures=int(inside.sum()),
        accuracy=float(right[inside].mean()),
        interval_95=wilson(int(right[inside].sum()), int(inside.sum())),
        rest=float(right[others].mean()),
        expected=float(np.mean(of_label)),
        p=chances[0],
        p_holm=chances[1],
        worse=chances[1] < LEVEL,
    )


def fisher(wrong: int, size: int, all_wrong: int, total: int) -> float:
    """The chance of `wrong` mistakes or more among `size` of `total` pictures of which `all_wrong`
    are mistaken, were the `size` drawn at random: the hypergeometric distribution's tail, exact
    (Fisher 1935, The logic of inductive inference).
    """
    ways, tail = comb(all_wrong, wrong) * comb(total - all_wrong, size - wrong), 0
    for count in range(wrong, min(size, all_wrong) + 1):
        tail += ways
        ways = ways * (all_wrong - count) * (size - count)
        ways //= (count + 1) * (total - all_wrong - size + count + 1)
    return tail / comb(total, size)


def holm(chances: list[float]) -> list[float]:
    """p values of tests that may depend on each other -> corrected ones, in the same order.

    The smallest of m counts m times, the next m - 1 times, ... (Holm 1979, A simple sequentially
    rejective multiple test procedure).
    """
    corrected = [0.0] * len(chances)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        highest = max(highest, min(1.0, chances[at] * (len(chances) - rank)))
        corrected[at] = highest
    return corrected


def facts(path: Path, table: Table, slices: list[Slice]) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "file": path.name,
        "test": f"Fisher's exact, one-sided, Holm-corrected over {len(slices)} slices, {LEVEL}",
        "undescribed": table.undescribed,
        "rows_without_picture": table.strangers,
        "left_out": list(table.left_out),
        "slices": [asdict(one) for one in slices],
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The facts for the terminal."""
    told = [f"slices     {found['file']}: {found['test']}"]
    for key, what in (
        ("undescribed", "pictures without a row"),
        ("rows_without_picture", "rows without a picture"),
    ):
        if found[key]:
            told.append(f"           {found[key]} {what}")
    if found["left_out"]:
        names = ", ".join(found["left_out"])
        told.append(f"           left out, more than {MOST_VALUES} values: {names}")
    for one in found["slices"]:
        low, high = (100 * share for share in one["interval_95"])
        text = f"{one['attribute']} {one['value']}: {one['pictures']} pictures, "
        text += f"{one['accuracy'] * 100:.1f} % ({low:.1f} to {high:.1f})"
        if one["worse"]:
            text += (
                f"  WORSE than the rest ({one['rest'] * 100:.1f} %; {one['expected'] * 100:.1f} % "
                f"with its labels), p {one['p_holm']:.2g}"
            )
        told.append(text)
    return told
