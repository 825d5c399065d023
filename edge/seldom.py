"""Lines that come again and again -> each one at once, then seldom, with how often it came."""

import re

QUIET_S = 300.0
"""Between two of a kind."""
KINDS = 32
"""So many are told apart; more than that at once is one kind."""


class Seldom:
    """Lines of one source. They are of a kind where they differ in numbers alone."""

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._said: dict[str, tuple[float, int]] = {}
        """By kind: when it was said, and how often it came since."""

    def say(self, line: str, now_s: float) -> str | None:
        """What to log now, with a count where some were not; None: nothing."""
        kind = re.sub(r"\d+", "0", line)
        if kind not in self._said and len(self._said) >= KINDS:
            self._forget(now_s)
            kind = kind if len(self._said) < KINDS else ""
        said_s, held = self._said.get(kind, (-float("inf"), 0))
        if now_s - said_s < self._quiet_s:
            self._said[kind] = (said_s, held + 1)
            return None
        self._said[kind] = (now_s, 0)
        return f"{line} ({held + 1} times in {now_s - said_s:.0f} s)" if held else line

    def _forget(self, now_s: float) -> None:
        self._said = {k: v for k, v in self._said.items() if now_s - v[0] < self._quiet_s}
