"""`edge models`: public models, fetched and verified."""

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edge.catalog import Wanted

A_PATH = click.Path(path_type=Path)


@click.group()
def models() -> None:
    """Public models: what there is, fetched and verified, ready for `edge run --model`."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Everything the catalogue says, as JSON.")
def list_(as_json: bool) -> None:
    """Name, size, licence and what each model knows."""
    from edge.catalog import entries

    known = entries()
    if as_json:
        click.echo(json.dumps({n: e.model_dump(mode="json") for n, e in known.items()}, indent=1))
        return
    width = max(map(len, known))
    for name, entry in known.items():
        size = f"{entry.model.bytes / 1e6:.1f} MB"
        click.echo(f"{name:<{width}}  {size:>7}  {entry.licence}  {entry.summary}")


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder for NAME.tflite; default: here.",
)
@click.option(
    "--from",
    "mirror",
    metavar="URL|FOLDER",
    help="Where the upstream files lie instead: a mirror, or a folder for devices without network.",
)
@click.option("--force", is_flag=True, help="Overwrite a NAME.tflite that is another file.")
def fetch(names: tuple[str, ...], out: Path, mirror: str | None, force: bool) -> None:
    """Fetch models of the catalogue, check size and SHA-256, and give them their contract.

    A file appears only when it is whole and right. What was cut goes on where it ended when the
    same command is given again. Proxies are taken from the environment (https_proxy).
    """
    from edge.catalog import Wanted, find
    from edge.catalog import fetch as bring

    for wanted in [Wanted(name, find(name), out, mirror, force) for name in names]:
        if _is_there(wanted):
            click.echo(f"{wanted.out}: is there already, verified")
            continue
        total = wanted.entry.model.bytes
        shown = sys.stderr if sys.stderr.isatty() else io.StringIO()
        bar = click.progressbar(length=total, label=wanted.name, file=shown)
        try:
            with bar:
                bring(wanted, lambda have: bar.update(have - bar.pos))  # noqa: B023  called in here
        except KeyboardInterrupt:
            kept = f"{bar.pos} of {total} bytes are kept"
            click.echo(f"edge: interrupted: {kept}; the same command goes on from there", err=True)
            raise
        click.echo(f"{wanted.out}: {total / 1e6:.1f} MB, {wanted.entry.licence}, verified")


@models.command()
@click.argument("files", nargs=-1, required=True, type=A_PATH, metavar="FILE...")
def verify(files: tuple[Path, ...]) -> None:
    """Say which model of the catalogue each file is; exit status 78 where one is none."""
    from edge.catalog import verify as check

    for path in files:
        click.echo(f"{path}: {check(path)}, verified")


def _is_there(wanted: "Wanted") -> bool:
    from edge.catalog import verify as check
    from edge.errors import FatalError

    try:
        return check(wanted.out) == wanted.name
    except FatalError:
        return False
