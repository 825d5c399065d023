"""What time it is, and how far that can be trusted."""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

TIME_ERROR = 5
"""What adjtimex(2) returns while nobody holds the kernel's clock."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks."""

    mono_s: float
    """time.monotonic(), seconds: never jumps, means nothing to people."""
    unix_s: float
    """Seconds since 1970: what people read, and what may jump by years."""
    synced: bool

    @property
    def offset_s(self) -> float:
        """Wall clock minus monotonic clock; changes only when somebody sets the clock."""
        return self.unix_s - self.mono_s


def kernel_synced() -> bool:
    """Whether some time service holds the kernel's clock: adjtimex(2)."""
    timex = ctypes.create_string_buffer(512)
    try:
        return int(_libc().adjtimex(timex)) not in (-1, TIME_ERROR)
    except AttributeError:
        return False


@cache
def _libc() -> Any:
    return ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Clock:
    """Both clocks of this machine. Tests bring their own."""

    mono: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    synced: Callable[[], bool] = kernel_synced

    def read(self) -> Moment:
        """Now."""
        return Moment(self.mono(), self.wall(), self.synced())
