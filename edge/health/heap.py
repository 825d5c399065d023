"""Memory that was freed goes back to the kernel.

glibc keeps it in an arena for each of several threads: 100 reloads would seem to cost 10 MB.
"""

import ctypes
from contextlib import suppress


def trim() -> None:
    """After much was freed at once; nothing where the C library knows no such thing."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
