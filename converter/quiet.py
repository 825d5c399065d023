"""What native libraries print on stderr -> nothing, for a while."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_native_log() -> Iterator[None]:
    """LiteRT says on file descriptor 2 which delegate it made, and offers no way to ask it not to.

    What Python raises is not concerned. Not for use beside other threads that write there.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 2)
        os.close(nothing)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
