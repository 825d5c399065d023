"""`edge doctor`: which delegates there are, which one a model can use, and why not the others."""

import json
import subprocess
import sys
from pathlib import Path

import click


@click.command()
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="edge.toml.")
@click.option("--model", type=click.Path(path_type=Path), help="Try the delegates with it.")
@click.option("--delegate", "delegates", multiple=True, help="Look at this one too. Repeatable.")
@click.option("--only", hidden=True, help="Try one delegate; one JSON line.")
def doctor(
    config_path: Path | None, model: Path | None, delegates: tuple[str, ...], only: str | None
) -> None:
    """Look at what models can run on here, each delegate in a process of its own.

    Exit status 78 where the model runs on none of them.
    """
    from edge import config
    from edge.errors import FatalError
    from edge.runtime.delegates import find
    from edge.runtime.litert import interpreter_name

    made = config.load(config_path)
    model = model or made.model.path
    if only is not None and model is not None:
        click.echo(json.dumps(_try(only, model)))
        return
    click.echo(f"interpreter  {interpreter_name()}")
    names = dict.fromkeys((*made.runtime.delegates, *delegates, "cpu", "gpu", "edgetpu"))
    right = 0
    for name in names:
        try:
            found = f"found: {find(name)}"
        except FatalError as error:
            click.echo(f"{name:<12} not found: {error}")
            continue
        click.echo(f"{name:<12} {found}")
        if model is not None:
            verdict, used = _in_a_child(name, model)
            right += used
            click.echo(f"{'':<12} {verdict}")
    if model is not None and not right:
        raise FatalError(f"{model}: no delegate runs this model")


def _try(name: str, path: Path) -> list[object]:
    """Verdict and whether the delegate can be used."""
    import statistics
    import time

    from edge import model
    from edge.errors import HedgerowError
    from edge.runtime.runtime import open_runtime
    from edge.runtime.verify import seeded

    try:
        runtime = open_runtime(model.load(path), (name,))
        durations_s = []
        for tensor in [*seeded(runtime.input)] * 5:
            began_s = time.monotonic()
            runtime.infer(tensor)
            durations_s.append(time.monotonic() - began_s)
    except HedgerowError as error:
        reason = str(error).rpartition(f"no delegate runs this model: {name}: ")[2]
        return [f"refused: {reason}", False]
    return [f"right; {statistics.median(durations_s) * 1000:.2f} ms an inference", True]


def _in_a_child(name: str, path: Path) -> tuple[str, bool]:
    """A delegate that crashes or hangs takes only the child down."""
    command = [sys.executable, "-m", "edge", "doctor", "--model", str(path), "--only", name]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        return "refused: it hangs", False
    if done.returncode:
        return f"refused: its process ended with status {done.returncode}", False
    verdict, used = json.loads(done.stdout.splitlines()[-1])
    return str(verdict), bool(used)
