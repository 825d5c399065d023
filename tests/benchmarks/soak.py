"""Four RTSP cameras for an hour: is every source at its rate, are CPU and memory flat?

`python -m tests.benchmarks.soak MODEL OUT [--minutes 60] [--cameras 4] [--fps 10]`

Real servers on loopback play an encoded clip, `edge run` reads all of them with one interpreter,
Mosquitto carries the feed. OUT/soak.csv has a line every ten seconds, OUT/soak.png shows it.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from edge.config import MqttConfig
from edge.feed.mqtt import MqttClient
from tests.benchmarks.process import usage
from tests.cameras.servers import RtspServer, encode, picture
from tests.conftest import Mosquitto, edge_command

EVERY_S = 10.0


def main() -> None:
    """Prints the figures of the whole run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--fps", type=int, default=10)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = run(given.model, given.out, given)
    print(summary(rows, given.fps))
    plot(rows, given.fps, given.out / "soak.png")


def run(model: Path, out: Path, given: argparse.Namespace) -> list[dict[str, float]]:
    """A row every EVERY_S, written as it is measured."""
    rows: list[dict[str, float]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pictures = [picture(number, 640, 360) for number in range(20 * given.fps)]
        clip = encode(folder / "clip.h264", pictures, given.fps)
        servers = [
            stack.enter_context(RtspServer(clip, rate=given.fps)) for _ in range(given.cameras)
        ]
        broker = Mosquitto(folder)
        broker.start()
        stack.callback(broker.stop)
        statuses = listen(broker.address, stack)
        sources = [f"--source=cam{n}={server.address}" for n, server in enumerate(servers)]
        command = edge_command("run", "--model", model, "--broker", broker.address, *sources)
        daemon = stack.enter_context(subprocess.Popen(command, stderr=sys.stderr))
        stack.callback(daemon.terminate)
        end_s = time.monotonic() + 60 * given.minutes
        with (out / "soak.csv").open("w", newline="") as file:
            writer = None
            before: dict[str, Any] = {}
            while time.monotonic() < end_s and daemon.poll() is None:
                status = latest(statuses)
                row, before = measure(daemon.pid, status, before)
                if not row:
                    continue
                if writer is None:
                    writer = csv.DictWriter(file, list(row))
                    writer.writeheader()
                writer.writerow(row)
                file.flush()
                rows.append(row)
    return rows


def listen(address: str, stack: ExitStack) -> SimpleQueue[dict[str, Any]]:
    """The daemon's status, each time it is published."""
    statuses: SimpleQueue[dict[str, Any]] = SimpleQueue()
    client = MqttClient(MqttConfig(broker=address), "")
    client.listen("hedgerow/+/status", lambda message: statuses.put(json.loads(message.payload)))
    stack.enter_context(client)
    return statuses


def latest(statuses: SimpleQueue[dict[str, Any]]) -> dict[str, Any]:
    """The next status, or a later one that is there already."""
    status = statuses.get(timeout=60)
    while True:
        try:
            status = statuses.get_nowait()
        except Empty:
            return status


def measure(
    pid: int, status: dict[str, Any], before: dict[str, Any]
) -> tuple[dict[str, float], dict[str, Any]]:
    """What happened since the status before; nothing at the first."""
    used = usage(pid)
    now = {"uptime_s": status["uptime_s"], "cpu_s": used.cpu_s, "sources": status["sources"]}
    if not before:
        return {}, now
    elapsed_s = now["uptime_s"] - before["uptime_s"]
    row = {
        "minute": now["uptime_s"] / 60,
        "cpu_percent": 100 * (now["cpu_s"] - before["cpu_s"]) / elapsed_s,
        "memory_mib": used.memory_mib,
        "threads": used.threads,
        "descriptors": used.descriptors,
    }
    for name, source in now["sources"].items():
        frames = source["frames"] - before["sources"][name]["frames"]
        row[f"{name}_fps"] = frames / elapsed_s
        row[f"{name}_dropped"] = source["dropped"]
        row[f"{name}_latency_ms_p95"] = source["latency_ms_p95"]
    return row, now


def summary(rows: list[dict[str, float]], fps: int) -> str:
    """The means of the first and the last tenth, without the first minute, and each rate."""
    rows = [row for row in rows if row["minute"] > 1] or rows
    tenth = max(1, len(rows) // 10)
    lines = []
    for key in ("cpu_percent", "memory_mib", "threads", "descriptors"):
        first, last = (
            sum(row[key] for row in part) / len(part) for part in (rows[:tenth], rows[-tenth:])
        )
        lines.append(f"{key}: {first:.1f} in the first tenth, {last:.1f} in the last")
    for name in [key.removesuffix("_fps") for key in rows[0] if key.endswith("_fps")]:
        rates = [row[f"{name}_fps"] for row in rows]
        mean = sum(rates) / len(rates)
        lines.append(
            f"{name}: {mean:.2f} frames/s ({100 * (mean / fps - 1):+.1f} %), in ten seconds "
            f"{min(rates):.1f} to {max(rates):.1f}; {rows[-1][f'{name}_dropped']:.0f} dropped"
        )
    return "\n".join(lines)


def plot(rows: list[dict[str, float]], fps: int, path: Path) -> None:
    """Rates, CPU and memory over the minutes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(8, 6), layout="constrained")
    minutes = [row["minute"] for row in rows]
    for key in rows[0]:
        if key.endswith("_fps"):
            axes[0].plot(
                minutes, [row[key] for row in rows], lw=0.8, label=key.removesuffix("_fps")
            )
    axes[0].set(ylabel="frames/s", ylim=(0, 1.5 * fps))
    axes[0].legend(ncols=4, loc="lower right")
    axes[1].plot(minutes, [row["cpu_percent"] for row in rows], lw=0.8)
    axes[1].set(ylabel="CPU, % of a core", ylim=(0, None))
    axes[2].plot(minutes, [row["memory_mib"] for row in rows], lw=0.8)
    axes[2].set(ylabel="memory, MiB", ylim=(0, None), xlabel="minutes")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
