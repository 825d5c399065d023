"""`edge check`: whether a configuration would run, without a camera or a broker."""

import sys
from pathlib import Path

import click

from edge.cli import as_service


@click.command()
@click.option(
    "--config",
    required=True,
    type=click.Path(path_type=Path, readable=False),
    help="The edge.toml to look at.",
)
def check(config: Path) -> None:
    """Read a configuration and its model as `edge run` would, and touch no hardware. Root's look
    at /etc/hedgerow/edge.toml is that of the service's user.

    Exit status 78 if something is wrong: one line for each problem, with its line in the file, its
    key and what to write.
    """
    command = ("check", "--config", str(config.absolute()))
    if (status := as_service.status_of(command, config)) is not None:
        sys.exit(status)
    from edge import config as configuration
    from edge.daemon.check import examine

    made = configuration.load(config)
    model = examine(made)
    contract = model.contract
    sources = ", ".join(made.source)
    click.echo(f"{config}: right. {contract.name} {contract.version} on {sources} as {made.device}")
