"""`edge check`: whether a configuration would run, without a camera or a broker."""

from pathlib import Path

import click


@click.command()
@click.option(
    "--config",
    required=True,
    type=click.Path(path_type=Path, readable=False),
    help="The edge.toml to look at.",
)
def check(config: Path) -> None:
    """Read a configuration and its model as `edge run` would, and touch no hardware.

    Exit status 78 if something is wrong: one line for each problem, with its line in the file, its
    key and what to write.
    """
    from edge import config as configuration
    from edge.daemon.check import examine

    made = configuration.load(config)
    model = examine(made)
    contract = model.contract
    sources = ", ".join(made.source)
    click.echo(f"{config}: right. {contract.name} {contract.version} on {sources} as {made.device}")
