"""`edge watch`: read the feed and print it."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from edge.cli.joining import Seconds, found, joining

if TYPE_CHECKING:
    from edge.feed.reader import Reader, Received

STATES_S = 1.0
"""How long retained states are waited for."""
NEWS = ("event", "state", "availability")
COLUMNS = (
    "time", "device", "source", "event_type", "label", "score", "duration_s", "id", "seq",
    "boot_id", "replayed", "change", "place", "direction", "track", "zones", "view",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")  # noqa: RUF001
"""A spreadsheet takes a cell that begins so for a formula, and carries it out."""
CELL = 1000
"""Characters of a cell, at most."""


@click.command()
@joining
@click.option("--source", help="Only this source.")
@click.option("--label", help="Only events with this label.")
@click.option(
    "--since",
    type=click.IntRange(1, 2**63 - 1),
    metavar="SEQ",
    help="Replay events from the journal first, starting at SEQ.",
)
@click.option("--states", is_flag=True, help="Print a table of the current states and exit.")
@click.option("--json", "json_lines", is_flag=True, help="JSON lines: topic, time, payload.")
@click.option("--csv", "csv_lines", is_flag=True, help="Events as CSV.")
@click.option(
    "--timeout", type=Seconds(), help="Exit after this many seconds without anything new."
)
def watch(timeout: float | None, since: int | None, **options: Any) -> None:
    """Show the feed in the terminal: one line per event, current states at the bottom.

    Changes nothing: events replayed by --since go to this command alone.
    """
    from edge.cli import lines
    from edge.feed.reader import Reader

    mqtt, device = found(options)
    if since is not None and device == "+":
        raise click.UsageError("--since needs --device: every device counts for itself")
    show = _Show(options)
    with Reader(mqtt, device) as reader:
        for received in _flow(reader, since, STATES_S if options["states"] else timeout, show):
            show.take(received)
    if options["states"]:
        click.echo(lines.table(show.latest))
    if reader.missed:
        click.echo(f"{reader.missed} messages were missed: this output is too slow", err=True)


def _flow(
    reader: "Reader", since: int | None, timeout_s: float | None, show: "_Show"
) -> Iterator["Received"]:
    """What the journal has, then what comes."""
    from edge.feed.reader import ANSWER_S

    if since is not None:
        yield from reader.replay(since, min(ANSWER_S, timeout_s or ANSWER_S))
    yield from reader.messages(timeout_s, show.counts)


class _Show:
    """Messages -> the terminal, as the options want it."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        plain = options["json_lines"] or options["csv_lines"] or options["states"]
        self._live = sys.stdout.isatty() and not plain
        self.latest: dict[str, dict[str, Any]] = {}
        if options["csv_lines"]:
            click.echo(",".join(COLUMNS))

    def counts(self, received: "Received") -> bool:
        """Whether --timeout begins anew with that message: a status comes every ten seconds and an
        observation with every frame, however quiet it is."""
        if self._options["states"]:
            return received.kind == "state" and received.retained
        if self._options["json_lines"] and self._wanted(received):
            return True
        source = self._options["source"]
        return received.kind in NEWS and (not source or received.source == source)

    def prints(self, received: "Received") -> bool:
        """Whether that message is one that the options ask for."""
        if self._options["states"] or not self._wanted(received):
            return False
        if self._options["json_lines"]:
            return True
        return received.kind == "event" or (
            received.kind == "availability" and not self._options["csv_lines"]
        )

    def take(self, received: "Received") -> None:
        """One message."""
        from edge.cli import lines

        if received.kind == "state":
            self.latest[f"{received.device}/{received.source}"] = received.content
        if self._live and self.latest:
            click.echo("\r\x1b[2K", nl=False)
        if self.prints(received):
            click.echo(self._line(received))
        if self._live:
            click.echo(lines.states(self.latest), nl=False)

    def _line(self, received: "Received") -> str:
        from edge.cli import lines

        if self._options["json_lines"]:
            return _record(received)
        if self._options["csv_lines"]:
            return _row(received.content)
        return lines.line(received) or ""

    def _wanted(self, received: "Received") -> bool:
        source, label = self._options["source"], self._options["label"]
        if source and received.source != source:
            return False
        return not label or (received.kind == "event" and received.content.get("label") == label)


def _row(event: dict[str, Any]) -> str:
    text = io.StringIO()
    cells = (_cell(event.get(column)) for column in COLUMNS)
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    """Anybody may publish on the feed: no label is carried out as a formula."""
    from edge.text import shown

    if isinstance(value, list):
        value = " ".join(map(str, value))
    text = "" if value is None else str(value)
    number = isinstance(value, int | float)
    return shown(text if number or not text.startswith(FORMULA) else f"'{text}", CELL)


def _record(received: "Received") -> str:
    return json.dumps(
        {
            "device": received.device,
            "source": received.source,
            "kind": received.kind,
            "retained": received.retained,
            "received_unix_s": round(received.received_unix_s, 4),
            "payload": received.content or received.payload,
        },
        ensure_ascii=False,
    )
