"""The command `converter`: arguments -> conversion, evaluation; errors -> one line."""

import dataclasses
import sys
from pathlib import Path
from typing import Any, get_args

import click

from converter.options import (
    CALIBRATION_PICTURES,
    Color,
    Options,
    Resize,
    read_labels,
    read_thresholds,
)
from edge.errors import HedgerowError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hedgerow")
def commands() -> None:
    """A trained Keras CNN in, one measured int8 .tflite file out."""


@commands.command("convert")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder per class, a list file (path label), or a folder of unlabelled pictures.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="FILE.tflite to write.")
@click.option("--labels", default="", help="crop,weed or a file; in the order of the outputs.")
@click.option(
    "--normalize",
    default="0..1",
    show_default=True,
    help="What the network was trained with: 0..1, -1..1, imagenet, none (0..255) or mean,std.",
)
@click.option("--color", type=click.Choice(get_args(Color)), default="rgb", show_default=True)
@click.option("--resize", type=click.Choice(get_args(Resize)), default="stretch", show_default=True)
@click.option(
    "--crop-fraction",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="With --resize crop: the square's side as a share of the shorter side.",
)
@click.option("--name", default="", help="The model's name; from the file's name otherwise.")
@click.option("--thresholds", multiple=True, metavar="LABEL=SCORE", help="person=0.6; repeatable.")
@click.option("--reject-below", type=click.FloatRange(0, 1), default=0.0, show_default=True)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=CALIBRATION_PICTURES,
    show_default=True,
    help="Pictures that calibrate, at most.",
)
@click.option("--quiet", is_flag=True, help="No progress bars.")
def convert_command(model: Path, data: Path, out: Path, **given: Any) -> None:
    """Quantise MODEL (.keras or .h5) to int8 and say what that cost."""
    from converter.conversion import convert
    from converter.report import summary

    given["labels"] = read_labels(given["labels"]) if given["labels"] else ()
    given["thresholds"] = read_thresholds(given["thresholds"])
    given["progress"] = not given.pop("quiet")
    known = {field.name for field in dataclasses.fields(Options)}
    options = Options(**{key: value for key, value in given.items() if key in known})
    result = convert(model, data, out, options)
    for line in summary(result.report):
        click.echo(line)
    click.echo(f"report     {result.report_html}")


@commands.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--quiet", is_flag=True, help="No progress bars.")
def evaluate_command(model: Path, data: Path, quiet: bool) -> None:
    """Measure MODEL (a .tflite with its contract) on the pictures of --data."""
    from converter.evaluation import evaluate

    facts = evaluate(model, data, progress=not quiet)
    click.echo(f"{facts['model']}: {facts['pictures']} pictures")
    if "accuracy" in facts:
        click.echo(f"accuracy   {facts['accuracy'] * 100:.2f} %")
    for label, count in facts["answers"].items():
        click.echo(f"answers    {label}: {count}")
    if facts["skipped"]:
        click.echo(f"skipped    {len(facts['skipped'])}: {', '.join(facts['skipped'][:5])}")


def main() -> None:
    """The console script: one line and an exit status instead of a traceback."""
    try:
        commands(prog_name="converter", standalone_mode=False)
    except HedgerowError as error:
        click.echo(f"converter: error: {error}", err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("converter: interrupted", err=True)
        sys.exit(INTERRUPTED)
