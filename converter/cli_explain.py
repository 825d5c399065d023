"""`converter explain`: the arguments."""

from pathlib import Path
from typing import Any

import click

A_PATH = click.Path(path_type=Path)


@click.command("explain")
@click.argument("model", type=A_PATH)
@click.argument("picture", type=A_PATH)
@click.option("--out", type=A_PATH, required=True, help="FILE.png to write.")
@click.option("--label", help="Why this one; default: the label that MODEL gives PICTURE.")
@click.option("--keras", type=A_PATH, help="The .keras or .h5 of MODEL: adds its Grad-CAM.")
@click.option("--trust-model-code", "trusted", is_flag=True, help="Run code inside --keras.")
@click.option("--custom-objects", multiple=True, metavar="MODULE:NAME", help="Layers' code.")
def explain_command(
    model: Path, picture: Path, out: Path, keras: Path | None, **given: Any
) -> None:
    """Draw which parts of PICTURE the answer of MODEL (a .tflite classifier) stands on.

    A window slides over the picture; where the label's probability falls when it is covered, the
    drawing is red, where it rises, blue. With --keras, a third part shows Grad-CAM.
    """
    from converter import ours
    from converter.explain import explain, write
    from converter.loading import Loading

    ours.check_drawing(out, model, picture, keras)
    loading = None if keras is None else Loading(keras, given["trusted"], given["custom_objects"])
    found = explain(model, picture, given["label"], loading)
    write(found, out)
    click.echo(
        f"{picture.name}: {found.label} {found.score:.2f}, {found.covered:.2f} with the worst "
        f"window covered; {out}"
    )
