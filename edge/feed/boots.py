"""The boots of this machine's kernel that a journal knows: monotonic clocks hold within one."""

import sqlite3
from pathlib import Path


class Boots:
    """The table `boots`. The present one is written with the first event, not before: opening a
    journal writes nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.kernel = _kernel_boot()
        row = db.execute("SELECT boot FROM boots WHERE kernel = ?", (self.kernel,)).fetchone()
        self.known = row is not None
        """Whether the present one is written."""
        highest = "SELECT 1 + coalesce(max(boot), 0) FROM boots"
        self.present: int = (row or db.execute(highest).fetchone())[0]

    def write(self) -> None:
        """The present one, within a transaction."""
        self._db.execute(
            "INSERT OR IGNORE INTO boots(boot, kernel) VALUES (?, ?)", (self.present, self.kernel)
        )

    def adopt(self, known: dict[str, float | None]) -> None:
        """Those of another journal, within a transaction: offsets by the kernel's name."""
        self.write()
        self._db.executemany(
            "INSERT INTO boots(kernel, offset_s) VALUES (?1, ?2)"
            " ON CONFLICT(kernel) DO UPDATE SET offset_s = coalesce(?2, offset_s)",
            known.items(),
        )

    def offsets(self) -> dict[str, float | None]:
        """By the kernel's name: wall clock minus monotonic clock, once that was known."""
        return dict(self._db.execute("SELECT kernel, offset_s FROM boots").fetchall())

    def correct(self, offset_s: float) -> bool:
        """The clock can be trusted now; whether that is news."""
        known_s = self.offsets().get(self.kernel)
        if known_s and abs(known_s - offset_s) < 1:
            return False
        self.adopt({self.kernel: offset_s})
        return True


def _kernel_boot() -> str:
    """Names one boot of this machine, within which monotonic clocks can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
