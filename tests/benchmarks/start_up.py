"""Start to first label, and memory while running: `python -m tests.benchmarks.start_up MODEL`.

Starts `edge run --source demo: --json` several times, as a user would; the clock runs from the
process's start to its first line on stdout. Memory is VmRSS and VmHWM after two seconds of labels.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 7


def once(model: str) -> tuple[float, int, int]:
    """Seconds to the first label; resident and peak memory, KiB."""
    command = [sys.executable, "-m", "edge", "run", "--source", "demo:", "--model", model]
    began_s = time.monotonic()
    daemon = subprocess.Popen(
        [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert daemon.stdout is not None
    first = json.loads(daemon.stdout.readline())
    took_s = time.monotonic() - began_s
    assert first["label"]
    while time.monotonic() < began_s + took_s + 2:
        daemon.stdout.readline()
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    daemon.terminate()
    daemon.communicate()
    resident, peak = (int(re.findall(rf"{key}:\s+(\d+)", status)[0]) for key in ("VmRSS", "VmHWM"))
    return took_s, resident, peak


def main() -> None:
    """Medians over the runs, the first (cold) one apart."""
    model = sys.argv[1]
    cold, *warm = [once(model) for _ in range(RUNS)]
    seconds, resident, peak = (list(column) for column in zip(*warm, strict=True))
    middle, low, high = statistics.median(seconds), min(seconds), max(seconds)
    print(f"start to first label  cold {cold[0]:.2f} s, then {middle:.2f} ({low:.2f}..{high:.2f})")
    print(f"resident memory       {max(resident) / 1024:.0f} MiB, peak {max(peak) / 1024:.0f} MiB")


main()
