"""Whether a file holds nothing but what the feed's file sink writes."""

import json
import os
from pathlib import Path

from edge.errors import FatalError

MOST = 1 << 20
"""Bytes of a first line: a payload is far smaller."""


def check(path: Path, keep: int) -> None:
    """A file that is appended to, renamed and in the end deleted must be the sink's own.

    Raises FatalError for a file, or one that a rotation would replace, with anything else in it.
    """
    for number in range(keep + 1):
        older = Path(f"{path}.{number}") if number else path
        if os.access(older, os.F_OK) and not _is_ours(older):
            raise FatalError(
                f"file.path: {older}: has something in it that Hedgerow did not write; give the "
                "lines a file of their own"
            )


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            first = file.readline(MOST)
        return not first or str(json.loads(first).get("schema", "")).startswith("hedgerow.")
    except OSError:
        return True  # opening it says why
    except (ValueError, AttributeError):
        return not first.strip(b"\0")  # a power cut leaves zeros
