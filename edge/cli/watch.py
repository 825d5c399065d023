"""`edge watch`: read the feed and print it."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edge.feed.reader import Received

STATES_S = 1.0
"""How long retained states are waited for."""
COLUMNS = (
    "time", "device", "source", "event_type", "label", "score", "duration_s", "id", "seq",
    "boot_id", "replayed",
)  # fmt: skip


@click.command()
@click.option("--broker", default="mqtt://127.0.0.1:1883", show_default=True)
@click.option("--username", default="")
@click.option("--password-file", type=click.Path(path_type=Path))
@click.option("--device", default="+", help="Only this device; default: all.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="For mqtts:// and wss://.")
@click.option("--source", help="Only this source.")
@click.option("--label", help="Only events of this label.")
@click.option(
    "--since",
    type=click.IntRange(1, 2**63 - 1),
    metavar="SEQ",
    help="Replay events from the journal first, starting at SEQ.",
)
@click.option("--states", is_flag=True, help="A table of the states that hold now, and end.")
@click.option("--json", "json_lines", is_flag=True, help="JSON lines: topic, time, payload.")
@click.option("--csv", "csv_lines", is_flag=True, help="Events as CSV.")
@click.option("--timeout", type=float, help="End when nothing came for that many seconds.")
def watch(timeout: float | None, device: str, since: int | None, **options: Any) -> None:
    """Print what the feed says: a line per event, the states that hold at the bottom."""
    from edge import config
    from edge.cli import lines
    from edge.feed.reader import Reader

    keys = ("broker", "username", "password_file", "ca_file")
    mqtt = config.load(None, {"mqtt": {key: options[key] for key in keys}}).mqtt
    if since is not None and device == "+":
        raise click.UsageError("--since needs --device: every device counts for itself")
    show = _Show(options)
    with Reader(mqtt, device) as reader:
        if since is not None:
            reader.replay(since)
        for received in reader.messages(STATES_S if options["states"] else timeout):
            show.take(received)
    if options["states"]:
        click.echo(lines.table(show.latest))


class _Show:
    """Messages -> the terminal, as the options want it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        plain = options["json_lines"] or options["csv_lines"] or options["states"]
        self._live = sys.stdout.isatty() and not plain
        self.latest: dict[str, dict[str, Any]] = {}
        if options["csv_lines"]:
            click.echo(",".join(COLUMNS))

    def take(self, received: "Received") -> None:
        """One message."""
        from edge.cli import lines

        payload = lines.content(received)
        if received.kind == "state":
            self.latest[f"{received.device}/{received.source}"] = payload
        if not self._wanted(received, payload) or self._options["states"]:
            return
        if self._options["json_lines"]:
            click.echo(_record(received))
            return
        if self._options["csv_lines"]:
            if received.kind == "event":
                click.echo(_row(payload))
            return
        if self._live and self.latest:
            click.echo("\r\x1b[2K", nl=False)
        text = lines.line(received)
        if text is not None:
            click.echo(text)
        if self._live:
            click.echo(lines.states(self.latest), nl=False)

    def _wanted(self, received: "Received", payload: dict[str, Any]) -> bool:
        source, label = self._options["source"], self._options["label"]
        if source and received.source != source:
            return False
        return not label or (received.kind == "event" and payload.get("label") == label)


def _row(event: dict[str, Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(event.get(column, "") for column in COLUMNS)
    return text.getvalue()


def _record(received: "Received") -> str:
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
