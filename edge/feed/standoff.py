"""Connections that a broker ends as soon as they began -> why, and how long to wait. Pure."""

import random
from dataclasses import dataclass, field

FIRST_S, LONGEST_S = 1.0, 60.0
"""The first wait after a connection that somebody took, and the longest; doubled in between."""
PEACE_S = 300.0
"""A connection that lasted so long ends the quarrel."""
SHORT_S = 2.0
"""A connection that ends without a reason is suspicious if it ends so soon..."""
SUSPICIOUS = 4
"""...and so often in a row."""


@dataclass(slots=True)
class Standoff:
    """What the ends of connections, one after the other, come to."""

    chance: random.Random = field(default_factory=random.Random)
    """Two devices that wait equally long would meet again."""
    quarrels: int = 0
    """How often in a row somebody else took the connection."""
    _sudden: int = 0
    _topic: str = ""

    def taken(self, lasted_s: float) -> float:
        """Somebody else took the connection, or it cannot go on like this: how long to wait."""
        self.quarrels = 1 if lasted_s > PEACE_S else self.quarrels + 1
        wait_s: float = min(LONGEST_S, FIRST_S * 2.0 ** min(self.quarrels - 1, 10))
        return wait_s * self.chance.uniform(0.8, 1.2)

    def sudden(self, lasted_s: float, topic: str) -> bool:
        """It ended without a reason while that topic waited for its acknowledgement ("": none).

        Returns whether the same happened too soon and too often for a bad line.
        """
        if lasted_s >= SHORT_S:
            self._sudden = 0
            return False
        self._sudden, self._topic = (self._sudden + 1 if topic == self._topic else 1), topic
        return self._sudden >= SUSPICIOUS

    def calm(self) -> None:
        """The broker was away: that is another story."""
        self._sudden = 0
