"""`edge watch`: read the feed and print it."""

import json
import sys
from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--broker", default="mqtt://127.0.0.1:1883", show_default=True)
@click.option("--username", default="")
@click.option("--password-file", type=click.Path(path_type=Path))
@click.option("--device", default="+", help="Only this device; default: all.")
@click.option("--json", "json_lines", is_flag=True, help="JSON lines: topic, time, payload.")
@click.option("--timeout", type=float, help="End when nothing came for that many seconds.")
def watch(json_lines: bool, timeout: float | None, device: str, **flags: Any) -> None:
    """Print what the feed says: a line per event, the states that hold at the bottom."""
    from edge import config
    from edge.cli import lines
    from edge.feed.reader import Reader

    mqtt = config.load(None, {"mqtt": flags}).mqtt
    live = sys.stdout.isatty() and not json_lines
    latest: dict[str, dict[str, Any]] = {}
    with Reader(mqtt, device) as reader:
        for received in reader.messages(timeout):
            if json_lines:
                click.echo(_record(received))
                continue
            if live and latest:
                click.echo("\r\x1b[2K", nl=False)
            text = lines.line(received)
            if text is not None:
                click.echo(text)
            if received.kind == "state":
                latest[f"{received.device}/{received.source}"] = lines.content(received)
            if live:
                click.echo(lines.states(latest), nl=False)


def _record(received: Any) -> str:
    from edge.cli import lines

    return json.dumps(
        {
            "device": received.device,
            "source": received.source,
            "kind": received.kind,
            "retained": received.retained,
            "received_unix_s": round(received.received_unix_s, 4),
            "payload": lines.content(received) or received.payload,
        },
        ensure_ascii=False,
    )
