"""`edge demo`: the daemon in a process of its own, and its feed read as anybody would."""

import logging
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edge.feed.reader import Reader, Received

START_S = 15.0
SILENCE_S = 10.0


@dataclass
class _Seen:
    """What the feed said."""

    labels: Counter[str] = field(default_factory=Counter)
    events: list[str] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    showing: str = ""


@click.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help="The .tflite file.")
@click.option("--source", default="demo:?rounds=1", show_default=True, metavar="URI")
def demo(model: Path, source: str) -> None:
    """Show the whole path: daemon, embedded broker, and a separate MQTT client that reads.

    The default source shows scikit-image's photographs as a camera would; one has a person in it.
    """
    port = _free_port()
    command = [sys.executable, "-m", "edge", "run", "--observations", "--device", "demo"]
    command += ["--source", f"demo={source}", "--model", str(model)]
    command += ["--broker", f"embedded:{port}"]
    logging.getLogger("edge.feed").setLevel(logging.ERROR)  # the broker goes with the daemon
    seen = _Seen()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        daemon = subprocess.Popen(command, stderr=errors)  # noqa: S603
        try:
            _read(port, daemon, seen)
        finally:
            daemon.terminate()
            daemon.wait(timeout=10)
        if daemon.returncode != 0 or not seen.status:
            errors.seek(0)
            click.echo(errors.read().strip().rpartition("\n")[2], err=True)
            sys.exit(daemon.returncode or 1)
    _summarize(seen, model)


def _read(port: int, daemon: "subprocess.Popen[bytes]", seen: _Seen) -> None:
    """Until the daemon says goodbye."""
    reader = _connect(port, daemon)
    if reader is None:
        return
    with reader:
        click.echo(f"reading hedgerow/demo/# from mqtt://127.0.0.1:{port} (embedded broker)")
        for received in reader.messages(SILENCE_S):
            _note(received, seen)
            if (received.source, received.payload) == ("", "offline"):
                return


def _connect(port: int, daemon: "subprocess.Popen[bytes]") -> "Reader | None":
    """A reader as soon as the daemon's broker listens; None where the daemon ended before."""
    from edge.config import MqttConfig
    from edge.feed.reader import Reader

    until_s = time.monotonic() + START_S
    while daemon.poll() is None and time.monotonic() < until_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                mqtt = MqttConfig(broker=f"mqtt://127.0.0.1:{port}", protocol="3.1.1")
                return Reader(mqtt, "demo")
        time.sleep(0.02)
    return None


def _note(received: "Received", seen: _Seen) -> None:
    from edge.cli import lines

    payload = received.content
    match received.kind:
        case "observation":
            if payload["origin"] != seen.showing:
                seen.showing = payload["origin"]
                click.echo(f"{'':12}  the camera sees {seen.showing}")
            seen.labels[payload["label"]] += 1
            taken_unix_s = datetime.fromisoformat(payload["time"]).timestamp()
            seen.delays_ms.append((received.received_unix_s - taken_unix_s) * 1000)
        case "status":
            seen.status = payload
        case "event":
            seen.events.append(f"{payload['event_type']} {payload['label']}")
    text = lines.line(received)
    if text is not None:
        click.echo(text)


def _summarize(seen: _Seen, model: Path) -> None:
    source = seen.status["sources"]["demo"]
    delays = sorted(seen.delays_ms) or [0.0]
    labels = ", ".join(f"{label} {n}" for label, n in seen.labels.most_common())
    report = model.with_suffix(".report.html")
    rows = [
        (
            "frames",
            f"{source['frames']} at {source['fps']:.1f} a second, {source['dropped']} dropped",
        ),
        ("labels", labels),
        ("events", ", ".join(seen.events) or "none"),
        (
            "frame to label",
            f"p50 {source['latency_ms_p50']:.1f} ms, p95 {source['latency_ms_p95']:.1f} ms",
        ),
        (
            "frame to feed",
            f"p50 {delays[len(delays) // 2]:.1f} ms, p95 {delays[len(delays) * 95 // 100]:.1f} ms",
        ),
        ("delegate", seen.status["delegates"]["loaded"]),
        ("model", f"{model} ({model.stat().st_size / 1024:.0f} KiB)"),
        ("report", str(report) if report.exists() else "none"),
    ]
    click.echo()
    for name, value in rows:
        click.echo(f"{name:<16}{value}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
