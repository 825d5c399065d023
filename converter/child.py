"""A module of ours -> how to start it as a process of its own."""

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
"""Where this package lies."""


def command(module: str) -> list[str]:
    """The interpreter with this module. A file in the working folder that is named like a library
    is no library (-P): whoever unpacks a model often works in its folder."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """Ours, and where this package is, which -P no longer finds in a clone."""
    known = [ROOT, os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, known))}
