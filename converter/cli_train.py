"""`converter train`: the arguments of a training run."""

from pathlib import Path
from typing import Any, get_args

import click

from converter.training.options import Backbone, Scenario

A_PATH = click.Path(path_type=Path)
BACKBONES = get_args(Backbone)


@click.command("train")
@click.option(
    "--data",
    type=A_PATH,
    required=True,
    help="A folder per class (also in train/ val/ test/), or a list file.",
)
@click.option("--out", type=A_PATH, required=True, help="FILE.keras to write.")
@click.option(
    "--validation", type=A_PATH, help="Pictures that decide when to stop. Default: part of --data."
)
@click.option(
    "--test", type=A_PATH, help="Pictures that measure the result. Default: part of --data."
)
@click.option("--labels", default="", help="crop,weed or a file. Default: the folders' names.")
@click.option("--backbone", type=click.Choice(BACKBONES), default=BACKBONES[0], show_default=True)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="imagenet (Lite0's are installed, Keras downloads the others), none, or a file.",
)
@click.option(
    "--size", type=click.IntRange(32, 1024), default=128, show_default=True, help="Input's side."
)
@click.option(
    "--scenario",
    type=click.Choice(get_args(Scenario)),
    default="leaf",
    show_default=True,
    help="How pictures may differ: leaf and ground any way up, scene never upside down.",
)
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True)
@click.option("--batch", type=click.IntRange(2), default=32, show_default=True)
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True)
@click.option("--dropout", type=click.FloatRange(0, 0.9), default=0.2, show_default=True)
@click.option("--weight-decay", type=click.FloatRange(0), default=1e-4, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quiet", is_flag=True, help="No progress.")
def train_command(data: Path, out: Path, **given: Any) -> None:
    """Train a small CNN on your pictures: no model needed, a folder per class is enough.

    \b
    converter train --data leaves --out leaf.keras
    converter convert leaf.keras --data leaves --out leaf.tflite
    """
    from converter.labels import read_labels
    from converter.training.options import TrainOptions
    from converter.training.report import lines
    from converter.training.run import train

    given["labels"] = read_labels(given["labels"]) if given["labels"] else ()
    given["progress"] = not given.pop("quiet")
    trained = train(data, out, TrainOptions(**given))
    for line in lines(trained.report):
        click.echo(line)
    click.echo(f"report     {trained.report_html}")
    click.echo(
        f"next       converter convert {out} --data {data} --out {out.with_suffix('.tflite')}"
    )
