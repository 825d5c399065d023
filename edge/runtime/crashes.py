"""How often each delegate's process ended by itself -> those that are not tried again.

It is on the disk, so that a new start does not begin at nothing.
"""

import json
import os
from pathlib import Path

from edge.errors import TransientError
from edge.files import write_whole

COUNTS = "delegate-crashes.json"
ENOUGH = 2
"""Crashes after which a delegate is skipped."""


class Crashes:
    """The file is read each time: who deletes it lets every delegate be tried again."""

    def __init__(self, folder: Path | None) -> None:
        """Without a folder nothing is remembered. Raises TransientError where it is not
        writable."""
        self.folder = folder
        if folder is None:
            return
        self._file = folder / COUNTS
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TransientError(f"{folder}: cannot be written: {error.strerror}") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise TransientError(f"{folder}: cannot be written: its owner or mode must change")

    def refusal(self, delegate: str) -> str | None:
        """Why this delegate is not tried; None where nothing speaks against it."""
        count = self._read().get(delegate, 0)
        if count < ENOUGH:
            return None
        return f"crashed {count} times; delete {self._file} to try it again"

    def count(self, delegate: str) -> None:
        """Once more. Raises OSError where it cannot be remembered."""
        counts = self._read()
        self._write(counts | {delegate: counts.get(delegate, 0) + 1})

    def forgive(self, delegate: str) -> None:
        """It has worked for long: what was before is forgotten. Raises OSError."""
        counts = self._read()
        if counts.pop(delegate, 0):
            self._write(counts)

    def _read(self) -> dict[str, int]:
        """Delegate -> crashes; a file that is damaged counts as none."""
        if self.folder is None:
            return {}
        try:
            counts = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(delegate): int(count) for delegate, count in counts.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _write(self, counts: dict[str, int]) -> None:
        if self.folder is not None:
            write_whole(self._file, json.dumps(counts).encode())
