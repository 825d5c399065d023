"""What time it is, and how far that can be trusted."""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

RTC = Path("/sys/class/rtc")
LONG_AGO_S = 1_735_689_600.0
"""2025: a clock that says less was never set."""
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


def clock_set(unix_s: float, rtc: Path = RTC) -> bool:
    """Whether the wall clock can be right: held by a time service, or begun from a clock with a
    battery, which a bare Raspberry Pi does not have."""
    if kernel_synced():
        return True
    try:
        began = [path.read_text(encoding="ascii").strip() for path in rtc.glob("*/hctosys")]
    except OSError:
        return False
    return "1" in began and unix_s > LONG_AGO_S


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
