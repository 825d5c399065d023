"""int8 candidates, compared with float on the choosing pictures -> the one to keep. Pure.

Accuracy on some hundred pictures cannot tell candidates apart, and would be chosen by luck: they
are told apart by how many labels they change, then by how far their probabilities lie from the
float network's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import FatalError

CORRECTED = " + bias correction"

PROVEN = 2.0
"""Standard errors."""

ENOUGH_UNSEEN = 10
"""Pictures that a fine-tuned candidate did not learn from."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to int8 and what it gave on the choosing pictures."""

    name: str
    network: bytes
    """The float flatbuffer that it was made from."""
    flatbuffer: bytes
    divergences: npt.NDArray[np.float64]
    """(n,) Kullback-Leibler divergence from the float network for each picture, nats."""
    agreed: npt.NDArray[np.bool_]
    """(n,) whether its label for each picture is the float network's."""
    seconds: float
    learned: npt.NDArray[np.bool_]
    """(n,) whether it was fine-tuned with the picture."""

    @property
    def agreement(self) -> float:
        """Share of the pictures with the float network's label, 0..1."""
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
    """Of those that change the fewest labels, the simplest that is not provably further off.

    Labels come first, because they are what the device reports. Then divergence: within one
    standard error of the difference, picture by picture, two are alike: the rule of one standard
    error (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). What was
    fine-tuned has to beat the best of the others (`_beats`).
    """
    if not found:
        raise FatalError("no int8 candidate could be made")
    others = [one for one in found if not one.learned.any()] or list(found)
    most = max(one.agreement for one in others)
    pool = [one for one in others if one.agreement == most]
    closest = min(pool, key=lambda one: one.divergence)
    everywhere = np.ones(len(closest.divergences), np.bool_)
    chosen = next((one for one in pool if _margin(one, closest, everywhere) <= 1), closest)
    return next((one for one in found if one.learned.any() and _beats(one, chosen)), chosen)


def _beats(tuned: Candidate, chosen: Candidate) -> bool:
    """Whether it keeps as many labels and is provably closer, on pictures that are new to it.

    Where those are too few, on all of them.
    """
    unseen = ~tuned.learned
    if unseen.sum() < ENOUGH_UNSEEN:
        unseen = np.ones_like(unseen)
    return tuned.agreement >= chosen.agreement and _margin(chosen, tuned, unseen) > PROVEN


def _margin(one: Candidate, other: Candidate, pictures: npt.NDArray[np.bool_]) -> float:
    """By how many standard errors, picture by picture, `one` lies further off than `other`."""
    worse = (one.divergences - other.divergences)[pictures]
    error = float(worse.std() / np.sqrt(len(worse)))
    if not error:
        return 0.0 if not worse.mean() else float(np.copysign(np.inf, worse.mean()))
    return float(worse.mean() / error)
