"""`edge bench`: what the pipeline costs beside the interpreter alone."""

import json
from pathlib import Path

import click


@click.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help="The .tflite file.")
@click.option("--delegate", default="cpu", show_default=True, help="As in edge.toml.")
@click.option("--source", metavar="URI", help="Default: 640x480 pictures made in memory.")
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1, 64), help="Inference threads."
)
@click.option(
    "--seconds", default=10.0, show_default=True, type=click.FloatRange(0.1, 86_400),
    help="Duration of each of the two parts.",
)  # fmt: skip
@click.option(
    "--fps", default=30.0, show_default=True, type=click.FloatRange(0, 1000, min_open=True),
    help="Frame rate of the generated source.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def bench(as_json: bool, **flags: object) -> None:
    """Measure the bare interpreter and the whole pipeline, side by side in one run.

    \b
    edge bench --model model.tflite
    edge bench --model model.tflite --delegate gpu --source file:clip.mp4 --json
    """
    import cv2

    from edge.cli.measure import Bench, table

    cv2.setNumThreads(1)
    result = Bench(**flags).run()  # type: ignore[arg-type]
    click.echo(json.dumps(result) if as_json else table(result))
