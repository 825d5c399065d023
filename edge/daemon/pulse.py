"""When the stages of a frame's way last moved on -> which of them are frozen."""

import math
import time
from collections.abc import Callable, Mapping

from edge.feed.outbox import Outbox
from edge.runtime.runtime import Runtime


class Pulse:
    """One thread's sign of life; that thread beats, another one looks."""

    def __init__(self) -> None:
        self.beat()

    def beat(self, wait_s: float = 0.0) -> None:
        """Moved on; may now wait that long on purpose."""
        self._since_s = time.monotonic() + wait_s

    def end(self) -> None:
        """Nothing is owed any more."""
        self._since_s = math.inf

    def still_s(self, now_s: float) -> float:
        """For how long nothing has moved that should have."""
        return max(0.0, now_s - self._since_s)


class Stages:
    """Capture of each source, inference, feed."""

    def __init__(
        self,
        sources: Callable[[], Mapping[str, Pulse]],
        runtime: Runtime,
        outbox: Callable[[], Outbox | None],
    ) -> None:
        """Sources and outbox are asked for each time: a reload exchanges them."""
        self._sources = sources
        self._runtime = runtime
        self._outbox = outbox

    def frozen(self, now_s: float, limit_s: float) -> list[str]:
        """The stages that have not moved for longer than that, at time.monotonic()."""
        found = []
        outbox = self._outbox()
        if outbox is not None and now_s - outbox.moved_s > limit_s:
            found.append("feed")
        if self._runtime.busy_s(now_s) > limit_s:
            return [*found, "inference"]  # sources that wait for it are not to blame
        if self._runtime.opening:
            return found
        late = (name for name, pulse in self._sources().items() if pulse.still_s(now_s) > limit_s)
        return [*found, *(f"capture of {name}" for name in late)]
