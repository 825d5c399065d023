"""Conversions that get a signal at a random moment -> what is left of them.

    python -m tests.benchmarks.signals MODEL DATA [--count 100] [--seed 1]

SIGTERM, SIGHUP, SIGINT and SIGKILL take turns. Two seconds after each no process of the conversion
may live, the output and its reports are all of one run, and after the next run, which is
`converter evaluate`, there is no scratch. After the last one, a whole conversion sweeps half files.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from converter.scratch import PART, PREFIX

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL)
WAIT_S = 2.0
TOKEN = "HEDGEROW_TRIAL"
OUTPUTS = ("m.tflite", "m.report.json", "m.report.html")

Files = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Left:
    """What one signal left behind."""

    status: int
    processes: int
    scratch: int
    """Folders after the next run."""
    mixed: bool
    """Whether the output and the reports are of two runs, or one is not whole."""
    parts: int
    """Half files under names of their own, which the next conversion removes."""
    written: bool
    """Whether the conversion was faster than the signal."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A folder with a conversion's output, to which others are made."""

    model: Path
    data: Path
    folder: Path

    @property
    def scratch(self) -> Path:
        """Where the runs have their scratch folders."""
        return self.folder / "scratch"

    def start(self, token: str = "") -> "subprocess.Popen[bytes]":
        """A conversion that writes over the earlier one."""
        self.scratch.mkdir(exist_ok=True)
        asked: list[str | Path] = [
            "--data",
            self.data,
            "--out",
            self.folder / OUTPUTS[0],
            "--effort",
            "fast",
        ]
        return self._start(token, "convert", self.model, *asked, "--quiet", "--normalize", "0..1")

    def _start(self, token: str, *arguments: str | Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "converter", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"TMPDIR": str(self.scratch), TOKEN: token},
        )

    def signalled(self, number: signal.Signals, after_s: float) -> Left:
        """Start one, send it the signal, look."""
        before, token = self.files(), uuid.uuid4().hex
        process = self.start(token)
        time.sleep(after_s)
        process.send_signal(number)
        status = process.wait(60)
        ended = time.monotonic()
        while (living := _with(token)) and time.monotonic() - ended < WAIT_S:
            time.sleep(0.05)
        parts = len([path for path in self.folder.iterdir() if PART.fullmatch(path.name)])
        after = self.files()
        changed = {name for name in OUTPUTS if before[name] != after[name]}
        whole = self.evaluates()
        mixed = len(changed) not in (0, len(OUTPUTS)) or not whole
        scratch = len(list(self.scratch.glob(f"{PREFIX}*")))
        return Left(status, len(living), scratch, mixed, parts, bool(changed))

    def files(self) -> Files:
        """Which files the outputs are."""
        found = {name: (self.folder / name).stat() for name in OUTPUTS}
        return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}

    def evaluates(self) -> bool:
        """The next run: whether the model file is whole."""
        asked = "evaluate", self.folder / OUTPUTS[0], "--data", self.data, "--quiet"
        return self._start("", *asked).wait(120) == 0


def _with(token: str) -> list[int]:
    """Living processes that have the token in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(given.model, given.data, Path(folder))
        started = time.monotonic()
        if trial.start().wait() not in (0, 3):
            return 1
        takes = time.monotonic() - started
        rows = []
        for turn in range(given.count):
            number, after = SIGNALS[turn % len(SIGNALS)], chance.uniform(0, takes)
            left = trial.signalled(number, after)
            rows.append((number, left))
            print(f"{number.name:8} after {after:5.2f} s: {left}", flush=True)
        trial.start().wait()
        last = [path.name for path in trial.folder.iterdir() if PART.fullmatch(path.name)]
    _tell(rows, takes, len(last))
    return 0


def _tell(rows: list[tuple[signal.Signals, Left]], takes: float, last: int) -> None:
    print(f"{len(rows)} signals, a conversion takes {takes:.1f} s")
    print(f"ended with: {dict(Counter((n.name, left.status) for n, left in rows))}")
    print(f"processes 2 s later: {sum(left.processes for _, left in rows)}")
    print(f"scratch folders after the next run: {sum(left.scratch for _, left in rows)}")
    print(f"half or mixed outputs: {sum(left.mixed for _, left in rows)}")
    print(f"half files: {sum(left.parts for _, left in rows)}, after the next conversion: {last}")
    print(f"had been written before the signal: {sum(left.written for _, left in rows)}")


if __name__ == "__main__":
    sys.exit(main())
