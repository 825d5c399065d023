"""What took the process down last time -> the delegates that are not tried again.

A crash in a library leaves no time to say anything. Python's faulthandler writes the stack of
the thread that crashed into a file; the line before it names the delegate that was in use.
A power cut or a kill writes nothing, so nobody is blamed for it.
"""

import faulthandler
import json
from pathlib import Path

from edge.errors import TransientError

LOG = "delegate.log"
COUNTS = "delegate-crashes.json"
ENOUGH = 2
"""Crashes after which a delegate is skipped."""
_USING = "using "


class Crashes:
    """Constructed at the start of the process: reads what the last one left, then watches."""

    def __init__(self, folder: Path | None) -> None:
        """Without a folder nothing is remembered. Raises TransientError where it is not
        writable."""
        self.folder = folder
        self._counts: dict[str, int] = {}
        self._log = None
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = folder / COUNTS
            self._counts = _read_counts(self._file)
            self._blame(folder / LOG)
            self._log = (folder / LOG).open("w", encoding="utf-8")
        except OSError as error:
            raise TransientError(f"{folder}: cannot be written: {error.strerror}") from None
        faulthandler.enable(self._log, all_threads=False)

    def refusal(self, delegate: str) -> str | None:
        """Why this delegate is not tried; None where nothing speaks against it."""
        count = self._counts.get(delegate, 0)
        if count < ENOUGH:
            return None
        return f"crashed the process {count} times; delete {self._file} to try it again"

    def using(self, delegate: str) -> None:
        """From now on a crash is this delegate's."""
        if self._log is not None:
            self._log.write(f"{_USING}{delegate}\n")
            self._log.flush()

    def close(self) -> None:
        """Nobody watches any more."""
        if self._log is not None:
            faulthandler.disable()
            self._log.close()
            self._log = None

    def _blame(self, log: Path) -> None:
        """Count the crash that the last process left, where a delegate can be its cause."""
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        before, crashed, stack = text.partition("Fatal Python error:")
        delegate = before.rpartition(_USING)[2].strip()
        ours = "litert.py" in stack or 'File "' not in stack
        if not crashed or not delegate or delegate == "cpu" or not ours:
            return
        self._counts[delegate] = self._counts.get(delegate, 0) + 1
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(self._counts), encoding="utf-8")
        fresh.replace(self._file)


def _read_counts(file: Path) -> dict[str, int]:
    """Delegate -> crashes; a file that is damaged counts as none."""
    try:
        counts = json.loads(file.read_text(encoding="utf-8"))
        return {str(delegate): int(count) for delegate, count in counts.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}
