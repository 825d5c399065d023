"""The command `converter`: arguments -> conversion, evaluation; errors -> one line."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from converter.cli_explain import explain_command
from converter.cli_train import train_command
from converter.labels import read_labels, read_thresholds
from converter.options import (
    CALIBRATION_PICTURES,
    Color,
    Effort,
    Io,
    Options,
    Resize,
)
from edge.errors import HedgerowError, TransientError
from edge.head import Task
from edge.text import composed

INTERRUPTED = 130
MISTAKE = 70
"""EX_SOFTWARE of sysexits.h."""
A_PATH = click.Path(path_type=Path)
DATA_HELP = (
    "A folder per class (also in train/ and val/), a list file (path label), or a folder of "
    "unlabelled pictures."
)
NORMALIZE_HELP = (
    "What the network was trained with: 0..1, -1..1, imagenet, none (pixels 0..255) or mean,std. "
    "Default: what the model's own first layers expect, else 0..1."
)


class Size(click.ParamType[tuple[int, ...]]):
    """HEIGHTxWIDTH."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """`96x128` -> (96, 128); a click error otherwise."""
        found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", str(value))
        if not found:
            self.fail(f"{value!r}: expected HEIGHTxWIDTH, for example 96x96", param, ctx)
        return int(found[1]), int(found[2])


def _choice(name: str, values: Any, default: str, text: str = "") -> Callable[..., Any]:
    kinds = click.Choice(get_args(values))
    return click.option(name, type=kinds, default=default, show_default=True, help=text)


CONTRACT_OPTIONS = (
    click.option("--out", type=A_PATH, required=True, help="FILE.tflite to write."),
    click.option(
        "--labels", default="", help="crop,weed or a file; in the order of the model's outputs."
    ),
    click.option("--normalize", default="", help=NORMALIZE_HELP),
    _choice("--color", Color, "rgb"),
    _choice("--resize", Resize, "stretch", "As in training; crop cuts the middle square."),
    click.option(
        "--pad",
        type=click.IntRange(0, 255),
        default=114,
        show_default=True,
        help="With --resize letterbox: pixel value of the bars; Keras pads with 0.",
    ),
    click.option(
        "--crop-fraction",
        type=click.FloatRange(0, 1, min_open=True),
        default=1.0,
        help="With --resize crop: the square's side as a share of the shorter side.",
    ),
    click.option("--name", default="", help="The model's name. Default: from --out."),
    click.option(
        "--thresholds",
        multiple=True,
        metavar="LABEL=SCORE",
        help="Score from which a label counts: person=0.6,car=0.5. Repeatable.",
    ),
    click.option(
        "--reject-below",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        help="Score below which a picture counts as none of the labels.",
    ),
    click.option("--quiet", is_flag=True, help="No progress bars."),
)

PACK_OPTIONS = (
    *CONTRACT_OPTIONS,
    click.option("--data", "calibration", type=A_PATH, help="Pictures for golden vectors."),
    click.option(
        "--head",
        multiple=True,
        metavar="KEY=VALUE",
        help="With --task detect, what the outputs do not show: layout=yolov8, nms.iou=0.5; often.",
    ),
)

CONVERT_OPTIONS = (
    click.option("--data", type=A_PATH, required=True, help=DATA_HELP),
    *CONTRACT_OPTIONS,
    click.option(
        "--calibration",
        type=A_PATH,
        help="Calibrate with these pictures, so that all of --data measures.",
    ),
    click.option(
        "--unlabelled",
        type=A_PATH,
        help="With --effort max: more pictures to learn from; no labels needed.",
    ),
    click.option(
        "--negatives",
        type=A_PATH,
        help="Pictures of none of the labels; they set the reject score.",
    ),
    click.option(
        "--count",
        type=click.IntRange(min=1),
        default=CALIBRATION_PICTURES,
        show_default=True,
        help="Maximum number of pictures that calibrate and choose.",
    ),
    _choice(
        "--effort",
        Effort,
        "normal",
        "How many ways to keep the accuracy are tried; max may leave both ends in float.",
    ),
    click.option(
        "--max-drop",
        type=float,
        default=1.0,
        show_default=True,
        help="Points of accuracy int8 may lose; more: exit status 3, no model.",
    ),
    click.option(
        "--strict",
        is_flag=True,
        help="Require proof of --max-drop (95 % interval); else exit status 4 and no model.",
    ),
    _choice("--io", Io, "int8", "Type of the model's input and output."),
    click.option(
        "--full-integer",
        is_flag=True,
        help="Leave no operator in float, for accelerators without float.",
    ),
    click.option("--input-size", type=Size(), default=None, help="If the model leaves it open."),
    click.option("--output", default="", help="Output to convert, if there are several."),
    click.option("--trust-model-code", "trusted", is_flag=True, help="Run code inside MODEL."),
    click.option("--custom-objects", multiple=True, metavar="MODULE:NAME", help="Layers' code."),
)


def _with(options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hedgerow")
def commands() -> None:
    """A trained Keras CNN in, one measured int8 .tflite file out."""


@commands.command("convert")
@click.argument("model", type=A_PATH)
@_with(CONVERT_OPTIONS)
def convert_command(model: Path, data: Path, out: Path, **given: Any) -> None:
    """Quantize MODEL (.keras, .h5 or a SavedModel folder) to int8 and report what that costs."""
    from converter.conversion import convert
    from converter.gate import GateError
    from converter.report import summary

    try:
        result = convert(model, data, out, _options(given))
    except GateError:
        report = out.with_suffix(".report.json")
        facts = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        for text in facts.get("warnings", ()):  # the likeliest cause first, before the verdict
            click.echo(f"WARNING    {text}", err=True)
        raise
    for line in summary(result.report):
        click.echo(line)
    click.echo(f"report     {result.report_html}")


@commands.command("evaluate")
@click.argument("model", type=A_PATH)
@click.option("--data", type=A_PATH, required=True, help=DATA_HELP)
@click.option(
    "--slices",
    type=A_PATH,
    metavar="FILE.csv",
    help="Columns path,site,camera,...: accuracy for each value.",
)
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
def evaluate_command(
    model: Path, data: Path, slices: Path | None, as_json: bool, quiet: bool
) -> None:
    """Measure the accuracy of MODEL (a .tflite with its contract) on --data."""
    from converter.evaluation import evaluate, lines

    facts = evaluate(model, data, progress=not quiet, slices=slices)
    for line in lines(facts, as_json):
        click.echo(line)


@commands.command("inspect")
@click.argument("model", type=A_PATH)
@click.option("--json", "as_json", is_flag=True, help="All facts as JSON.")
def inspect_command(model: Path, as_json: bool) -> None:
    """Show what MODEL (Keras file, SavedModel or .tflite) is, without running it."""
    from converter.inspection import inspect, lines

    facts = inspect(model)
    for line in [json.dumps(facts, indent=1, default=str)] if as_json else lines(facts):
        click.echo(line)


@commands.command("pack")
@click.argument("model", type=A_PATH)
@click.option("--task", type=click.Choice(["classify", "detect"]), default="classify")
@_with(PACK_OPTIONS)
def pack_command(model: Path, task: Task, out: Path, **given: Any) -> None:
    """Wrap MODEL, a .tflite made elsewhere, with labels, preprocessing and golden vectors."""
    from converter.packing import pack_file

    packed = pack_file(model, out, task, _options(given))
    contract = packed.contract
    click.echo(f"{packed.out}: {contract.name}, {contract.task}, {len(contract.labels)} labels")
    if contract.task == "detect":
        told = contract.output.model_dump(exclude_none=True, exclude={"nms", "anchors"})
        click.echo("outputs: " + ", ".join(f"{key} {value}" for key, value in told.items()))


commands.add_command(train_command)
commands.add_command(explain_command)


def _options(given: dict[str, Any]) -> Options:
    """Click's values -> Options. Raises FatalError."""
    given["labels"] = read_labels(given["labels"]) if given["labels"] else ()
    thresholds = read_thresholds(given["thresholds"])
    given["thresholds"] = {composed(label): score for label, score in thresholds.items()}
    if "input_size" in given:
        given["input_size"] = given["input_size"] or ()
    given["progress"] = not given.pop("quiet")
    return Options(**given)


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
    except MemoryError:
        click.echo("converter: error: not enough memory: close other programs", err=True)
        sys.exit(TransientError.exit_status)
    except OSError as error:
        click.echo(f"converter: error: {error.filename or 'system'}: {error.strerror}", err=True)
        sys.exit(TransientError.exit_status)
    except (click.Abort, KeyboardInterrupt):
        click.echo("converter: interrupted", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if os.environ.get("HEDGEROW_TRACE"):
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        click.echo(
            f"converter: error: a mistake in the converter itself: {text[:300]} "
            "(HEDGEROW_TRACE=1 shows where; please report it)",
            err=True,
        )
        sys.exit(MISTAKE)
