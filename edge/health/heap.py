"""Memory that was freed goes back to the kernel: the process stays as small as what it holds.

glibc keeps what was freed in arenas, up to eight for each core. Each reload starts threads anew,
and 100 of them would seem to cost 10 to 20 MB.
"""

import ctypes
from contextlib import suppress

ARENA_MAX = -8
"""M_ARENA_MAX of mallopt(3)."""
ARENAS = 2


def few_arenas() -> None:
    """Before the first thread; nothing where the C library knows no such thing."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS)


def trim() -> None:
    """After much was freed at once."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
