"""`edge feed lint`: whether a running feed is what its schemas say."""

import sys
import time
from typing import Any

import click

from edge.cli.joining import Seconds, found, joining


@click.group()
def feed() -> None:
    """Look after a feed."""


@feed.command()
@joining
@click.option(
    "--seconds", type=Seconds(), default=15.0, show_default=True, help="How long to listen."
)
def lint(seconds: float, **options: Any) -> None:
    """Check every message against the schemas. Exits with 1 if one is wrong, or none comes."""
    from edge.feed.lint import Lint
    from edge.feed.reader import Reader
    from edge.text import shown

    wrong = 0
    checker = Lint()
    with Reader(*found(options)) as reader:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            for received in reader.messages(left_s):
                for problem in checker.check(received):
                    wrong += 1
                    where = "/".join(filter(None, (received.device, received.source)))
                    click.echo(shown(f"{where}/{received.kind}: {problem}"))
                if time.monotonic() > until_s:
                    break
    said = shown(", ".join(f"{kind} {n}" for kind, n in sorted(checker.checked.items())), 1000)
    click.echo(f"{sum(checker.checked.values())} messages ({said or 'none'}), {wrong} problems")
    sys.exit(1 if wrong or not checker.checked else 0)
