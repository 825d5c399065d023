"""Log records -> lines with the levels that journald understands (sd-daemon(3))."""

import logging
import os
import sys

PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class JournalFormatter(logging.Formatter):
    """`<4>source yard: ...`: one line per record; journald has the time."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        text = f"{record.getMessage()}"
        if record.exc_info:  # --verbose only
            text += " | " + self.formatException(record.exc_info)
        return prefix(record.levelno) + text.replace("\n", " | ")


def prefix(level: int) -> str:
    """The priority that journald reads at a line's beginning."""
    return f"<{next((n for least, n in PRIORITIES if level >= least), 7)}>"


def to_journal() -> bool:
    """Whether stderr is journald's: systemd names its device and inode in JOURNAL_STREAM."""
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"
