"""`edge run`: the daemon."""

import logging
import signal
from pathlib import Path
from threading import Event
from typing import Any

import click

from edge.cli.names import by_name
from edge.cli.signals import on_signal

SIGNAL_S = 0.1
"""How long a signal that has come may take to be heard."""


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="edge.toml; flags go before it.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="[NAME=]URI",
    help="A camera (rtsp://, http://, 0, usb:0, v4l2:/dev/video0, picamera:0, csi:0, gst:), "
    "video, folder of pictures, or demo:. Repeatable.",
)
@click.option("--model", type=click.Path(), help="The .tflite file.")
@click.option("--broker", help="mqtt://HOST:PORT, or embedded[:PORT] to try it out.")
@click.option("--device", help="This device's id on the feed; default: the host's name.")
@click.option("--fps", type=float, help="At most that many frames a second from each --source.")
@click.option("--threads", type=int, help="Inference threads.")
@click.option("--observations", is_flag=True, help="Publish every inference, not only events.")
@click.option(
    "--json",
    "json_lines",
    is_flag=True,
    help="JSON lines on stdout; MQTT too only with --broker or --config.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log what developers want to know.")
def run(json_lines: bool, verbose: bool, config: Path | None, **flags: Any) -> None:
    """Frames in, labels out, until the sources end or SIGTERM or Ctrl-C.

    \b
    edge run --source 0 --model models/person/model.tflite
    edge run --source dir:pictures --model model.tflite --json
    edge run --config /etc/hedgerow/edge.toml

    SIGHUP reloads the configuration and exchanges what changed. An invalid one is rejected and the
    current one stays in force.
    """
    level = logging.DEBUG if verbose else logging.WARNING if json_lines else logging.INFO
    logging.getLogger().setLevel(level)
    stop = Event()
    on_signal(stop, signal.SIGTERM, signal.SIGINT)

    import cv2

    from edge import config as configuration
    from edge.daemon import Daemon
    from edge.daemon.chore import say_deaths
    from edge.errors import HedgerowError
    from edge.health import heap

    say_deaths()
    heap.few_arenas()
    cv2.setNumThreads(1)
    mqtt = not json_lines or config is not None or flags["broker"] is not None
    there = configuration.load(config).source if config is not None else {}
    flagged = _nested(flags, {name: section.uri for name, section in there.items()})
    try:
        daemon = Daemon(configuration.load(config, flagged), json_lines, mqtt, stop)
    except HedgerowError:
        # it waited for a delegate to open, or the signal ended the child that tries the model
        if stop.wait(SIGNAL_S):
            return
        raise
    if config is not None:
        daemon.reread = lambda: configuration.load(config, flagged)
        on_signal(daemon.reload_asked, signal.SIGHUP)
    summary = daemon.run(stop)
    for number in (signal.SIGTERM, signal.SIGINT):  # all is done: a late one changes nothing
        signal.signal(number, signal.SIG_IGN)
    for name, source in summary.sources.items():
        click.echo(
            f"{name}: {source.frames} frames, {source.skipped} skipped, {source.dropped} dropped, "
            f"{source.events} events, {source.fps:.1f} frames/s, frame to label "
            f"p50 {source.latency_ms_p50:.1f} ms, p95 {source.latency_ms_p95:.1f} ms",
            err=True,
        )


def _nested(flags: dict[str, Any], there: dict[str, str]) -> dict[str, Any]:
    """The flags that were given, in the nesting of edge.toml, which has the sources `there`."""
    nested: dict[str, Any] = {}
    for key, where in (
        ("device", ("device",)),
        ("model", ("model", "path")),
        ("broker", ("mqtt", "broker")),
        ("threads", ("runtime", "threads")),
    ):
        if flags[key] is not None:
            table = nested if len(where) == 1 else nested.setdefault(where[0], {})
            table[where[-1]] = flags[key]
    if flags["observations"]:
        nested["feed"] = {"observations": True}
    for name, uri in by_name(flags["sources"], there).items():
        section = {"uri": uri} | ({"fps": flags["fps"]} if flags["fps"] is not None else {})
        nested.setdefault("source", {})[name] = section
    return nested
