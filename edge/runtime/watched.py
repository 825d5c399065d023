"""A delegate that runs -> its answers, looked at: finite, right, in time."""

import math
import time
from itertools import cycle

import numpy as np

from edge.errors import FatalError
from edge.model import Contract, Golden
from edge.runtime import verify
from edge.runtime.guest import Guest
from edge.runtime.tempo import Pace
from edge.types import Tensor, TensorSpec

SHARE = 0.1
"""How much of the time checks may take: of a delegate that is idle between frames each answer is
checked, of one that never rests each tenth."""
APART = 3
"""An answer that differs from the last one that was checked is checked too, unless that was less
than so many answers ago. No event begins on two frames."""
DIFFERS = 0.25
"""By this share of what the values span."""
SAMPLE = 4096
"""Values of each output that are looked at: a delegate that breaks spoils more than a few."""
PROVEN = 1000
"""Answers after which earlier failures are forgotten."""


class Watched:
    """What `prove` has found right."""

    def __init__(self, guest: Guest, known: Golden | None, pace: Pace, contract: Contract) -> None:
        """`known`: inputs with their right answers, to be asked again now and then."""
        self._guest = guest
        self._contract = contract
        self._pace = pace
        self._known = cycle(_singles(known)) if known is not None else None
        self._credit_s = math.inf
        self._last_s = time.monotonic()
        self._checked = 0
        self._sample: list[Tensor] = []
        self.answers = 0
        self.inputs, self.outputs = guest.inputs, guest.outputs
        self.invoke = guest.invoke
        self.kill, self.close = guest.kill, guest.close

    @property
    def note(self) -> str | None:
        """What its owner should know of it."""
        if self._guest.claims is False:
            return "it took none of the model's operators: the CPU computes them all"
        return self._pace.note

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Raises FatalError where the answer is not to be trusted."""
        began_s = time.monotonic()
        answers = self._guest.infer(tensor)
        ended_s = time.monotonic()
        for answer, spec in zip(answers, self.outputs, strict=True):
            check_finite(answer, spec)
        self.answers += 1
        self._pace.took(ended_s - began_s)
        if self._is_due(answers, ended_s) and not self._pace.lags:
            self._check()
        return answers

    def _is_due(self, answers: tuple[Tensor, ...], now_s: float) -> bool:
        """Whether an input to which the answer is known comes before this answer is used."""
        cost_s = self._pace.usual_s
        self._credit_s = min(cost_s, self._credit_s + SHARE * (now_s - self._last_s))
        self._last_s = now_s
        sample = [answer.ravel()[:: answer.size // SAMPLE + 1] for answer in answers]
        strange = self.answers - self._checked >= APART and any(map(_differ, self._sample, sample))
        if self._credit_s < cost_s and not strange:
            return False
        self._credit_s, self._checked, self._sample = 0.0, self.answers, sample
        return True

    def _check(self) -> None:
        if self._known is not None:
            verify.replay(self._guest, next(self._known), self._contract)


def _differ(before: Tensor, now: Tensor) -> bool:
    """Whether much has changed."""
    if not before.size:
        return False
    then, new = before.astype(np.float64), now.astype(np.float64)
    span = max(float(np.ptp(then)), float(np.ptp(new)))
    return float(np.abs(new - then).max()) > DIFFERS * span


def _singles(golden: Golden) -> list[Golden]:
    """Each vector alone."""
    return [
        Golden(
            golden.inputs[n : n + 1],
            golden.outputs[n : n + 1],
            tuple(other[n : n + 1] for other in golden.others),
        )
        for n in range(len(golden.inputs))
    ]


def check_finite(answer: Tensor, spec: TensorSpec) -> None:
    """The sum first: it is finite for all but broken or huge values, and quickly made."""
    if not np.issubdtype(answer.dtype, np.floating):
        return
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(answer.sum())
    if not math.isfinite(total) and not np.isfinite(answer).all():
        raise FatalError(f"output tensor {spec.name!r} holds NaN or infinity")
