"""How long a delegate's inferences take, beside the CPU's."""

import time

from edge.errors import FatalError
from edge.runtime.litert import Interpreter
from edge.types import Tensor

SLOWER = 1.25
SLOWER_S = 0.002
"""So many times the CPU's time, and so much longer, is said."""
FAR_SLOWER = 10.0
"""So many times the CPU's time is a failure, where the CPU may take over."""
NOTICED_S = 0.1
"""Nobody waits for an inference that is shorter."""
IN_A_ROW = 2
"""One may be a hiccup of the machine."""
MEMORY = 0.8
"""Share of the past in the smoothed duration of an inference."""


class Pace:
    """Of one delegate."""

    def __init__(self, usual_s: float, cpu_s: float | None, spare: bool) -> None:
        """`usual_s` and `cpu_s` are measured; None: the CPU cannot run this model, or was not
        asked. `spare` says whether it may take over. Raises FatalError where it should."""
        self.usual_s = usual_s
        self._cpu_s = cpu_s
        self._spare = spare
        self._far = 0
        if spare and self._is_far(usual_s):
            raise FatalError(self._slower(usual_s))

    @property
    def note(self) -> str | None:
        """What there is to say."""
        if self._cpu_s is None or self.usual_s <= max(SLOWER * self._cpu_s, self._cpu_s + SLOWER_S):
            return None
        return self._slower(self.usual_s)

    @property
    def lags(self) -> bool:
        """Whether the last inference took far too long."""
        return self._far > 0

    def took(self, inference_s: float) -> None:
        """One more. Raises FatalError where the CPU had better go on."""
        self.usual_s += (1 - MEMORY) * (inference_s - self.usual_s)
        self._far = self._far + 1 if self._is_far(inference_s) else 0
        if self._spare and self._far >= IN_A_ROW:
            raise FatalError(self._slower(inference_s))

    def _is_far(self, took_s: float) -> bool:
        return self._cpu_s is not None and took_s > max(NOTICED_S, FAR_SLOWER * self._cpu_s)

    def _slower(self, took_s: float) -> str:
        return f"takes {_ms(took_s)} for an inference, the CPU {_ms(self._cpu_s or 0.0)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"


def timed(interpreter: Interpreter, inputs: list[Tensor]) -> float:
    """The shortest of a few inferences, after one to warm up."""
    durations_s = []
    for tensor in inputs:
        began_s = time.monotonic()
        interpreter.infer(tensor)
        durations_s.append(time.monotonic() - began_s)
    return min(durations_s[1:] or durations_s)
