"""`edge feed lint`: whether a running feed is what its schemas say."""

import sys
import time
from pathlib import Path
from typing import Any

import click


@click.group()
def feed() -> None:
    """Look after a feed."""


@feed.command()
@click.option("--broker", default="mqtt://127.0.0.1:1883", show_default=True)
@click.option("--username", default="")
@click.option("--password-file", type=click.Path(path_type=Path))
@click.option("--ca-file", type=click.Path(path_type=Path), help="For mqtts:// and wss://.")
@click.option("--device", default="+", help="Only this device; default: all.")
@click.option("--seconds", default=15.0, show_default=True, help="How long to listen.")
def lint(device: str, seconds: float, **flags: Any) -> None:
    """Hold every message against the schemas; exit status 1 where something is wrong or silent."""
    from edge import config
    from edge.feed.lint import Lint
    from edge.feed.reader import Reader
    from edge.text import shown

    found = 0
    checker = Lint()
    until_s = time.monotonic() + seconds
    with Reader(config.load(None, {"mqtt": flags}).mqtt, device) as reader:
        while (left_s := until_s - time.monotonic()) > 0:
            for received in reader.messages(left_s):
                for problem in checker.check(received):
                    found += 1
                    where = "/".join(filter(None, (received.device, received.source)))
                    click.echo(shown(f"{where}/{received.kind}: {problem}"))
                if time.monotonic() > until_s:
                    break
    said = shown(", ".join(f"{kind} {n}" for kind, n in sorted(checker.checked.items())), 1000)
    click.echo(f"{sum(checker.checked.values())} messages ({said or 'none'}), {found} problems")
    sys.exit(1 if found or not checker.checked else 0)
