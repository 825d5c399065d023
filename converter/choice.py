"""int8 candidates, compared with float on the choosing pictures -> the one to keep. Pure.

Accuracy on some hundred pictures cannot tell candidates apart, nor can the few labels that they
change, and the luckiest would win: they are told apart by how far their probabilities lie from
the float network's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.flatbuffer import Ranges
from edge.errors import FatalError

CORRECTED = " + bias correction"

PROVEN = 2.0
"""Standard errors."""

ENOUGH_UNSEEN = 10
"""Pictures that a candidate did not learn from."""

ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to int8 and what it gave on the choosing pictures."""

    name: str
    network: bytes
    """The float flatbuffer that it was made from."""
    ranges: Ranges
    """Of that network's activations."""
    flatbuffer: bytes
    divergences: npt.NDArray[np.float64]
    """(n,) Kullback-Leibler divergence from the float network for each picture, nats."""
    agreed: npt.NDArray[np.float64]
    """(n,) in how many of a picture's views its label is the float network's, 0..1."""
    seconds: float
    learned: npt.NDArray[np.bool_]
    """(n,) whether its weights were fitted to the picture."""
    mixed: bool = False
    """Whether the network's ends are left in float."""

    @property
    def agreement(self) -> float:
        """Share of the views with the float network's label, 0..1."""
        return float(self.agreed.mean())

    @property
    def divergence(self) -> float:
        """Mean over the pictures, nats; infinite where a score is not a number."""
        return float(np.nan_to_num(self.divergences.mean(), nan=np.inf))

    @property
    def corrected(self) -> bool:
        """Whether its biases were corrected."""
        return self.name.endswith(CORRECTED)

    def facts(self) -> dict[str, Any]:
        """For the report."""
        return {
            "name": self.name,
            "divergence": self.divergence,
            "agreement": self.agreement,
            "seconds": round(self.seconds, 1),
            "bytes": len(self.flatbuffer),
        }


def best(found: Sequence[Candidate]) -> Candidate:
    """The simplest that is not provably further off than the closest.

    Within one standard error of the difference, picture by picture, two are alike: the rule of
    one standard error (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3).
    What was fitted to pictures has to be provably closer than the best of the others, and what
    has float operators at its ends than the best of both.
    """
    whole = [one for one in found if not one.mixed]
    plain = [one for one in whole if not one.learned.any()] or whole
    if not plain:
        raise FatalError("no int8 candidate could be made")
    chosen = _simplest(plain)
    for dearer in (whole, found):
        chosen = _simplest(_closer(dearer, chosen) or [chosen])
    return chosen


def _closer(pool: Sequence[Candidate], chosen: Candidate) -> list[Candidate]:
    """Those that are provably closer than the chosen one."""
    return [one for one in pool if _margin(chosen, one) > PROVEN]


def _simplest(pool: Sequence[Candidate]) -> Candidate:
    """The first that is not further off than the closest by more than a standard error."""
    closest = min(pool, key=lambda one: one.divergence)
    return next((one for one in pool if _margin(one, closest) <= 1), closest)


def _margin(one: Candidate, other: Candidate) -> float:
    """By how many standard errors, picture by picture, `one` lies further off than `other`.

    On pictures that neither learned from; where those are too few, on all.
    """
    new = ~(one.learned | other.learned)
    worse = (one.divergences - other.divergences)[new if new.sum() >= ENOUGH_UNSEEN else ALL]
    error = float(worse.std() / np.sqrt(len(worse)))
    if not error:
        return 0.0 if not worse.mean() else float(np.copysign(np.inf, worse.mean()))
    return float(worse.mean() / error)
