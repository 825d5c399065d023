"""`edge doctor`: what is right on this device, what is not, and what to do about it."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli import as_service
from edge.cli.as_service import INSTALLED

if TYPE_CHECKING:
    from edge.config import Config
    from edge.daemon.checkup import Finding
    from edge.daemon.service import Service


@click.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, readable=False),
    help="Check all that it uses.",
)
@click.option("--model", type=click.Path(path_type=Path), help="Try the delegates with it.")
@click.option("--delegate", "delegates", multiple=True, help="Look at this one too. Repeatable.")
@click.option("--only", hidden=True, help="Try one delegate; one JSON line.")
def doctor(
    config_path: Path | None, model: Path | None, delegates: tuple[str, ...], only: str | None
) -> None:
    """Look at cameras, broker, model, delegates, clock, disk, memory and temperature.

    Each line says ok, warning or error, and what to do. Exit status 78 where the model runs on no
    delegate, else 1 where there is an error. Without --config and --model: /etc/hedgerow/edge.toml,
    where it is there. Root looks at that file as the service's user; what the service itself
    holds is right.
    """
    from edge import config
    from edge.daemon.checkup import check_up
    from edge.daemon.service import Service, ask
    from edge.errors import FatalError

    if config_path is None and model is None and os.access(INSTALLED, os.F_OK):
        config_path = INSTALLED
    of_service = config_path is not None and config_path.absolute() == INSTALLED
    more = [option for name in delegates for option in ("--delegate", name)]
    command = ["doctor", "--config", str(INSTALLED), *more]
    if model is None and (status := as_service.status_of(command, config_path)) is not None:
        sys.exit(status)
    service = ask() if of_service else Service()
    made = config.load(config_path)
    model = model or made.model.path
    if only is not None and model is not None:
        click.echo(json.dumps(_try(only, model)))
        return
    logging.getLogger("edge").setLevel(logging.CRITICAL)  # it is all in the findings
    findings = list(map(_show, _delegates(made, model, delegates, service)))
    asked = (*made.runtime.delegates, *delegates)
    if model is not None and not any(f.level == "ok" and f.what in asked for f in findings):
        raise FatalError(f"{model}: no delegate runs this model")
    if config_path is not None:
        findings += map(_show, check_up(made, service if of_service else None))
    sys.exit(any(finding.level == "error" for finding in findings))


def _show(finding: "Finding") -> "Finding":
    colour = {"ok": "green", "warning": "yellow", "error": "red"}.get(finding.level)
    click.echo(f"{click.style(f'{finding.level:<8}', colour)} {finding.what:<12} {finding.text}")
    return finding


def _delegates(
    made: "Config", model: Path | None, more: tuple[str, ...], service: "Service"
) -> "Iterator[Finding]":
    """Each in a process of its own; one that nobody asked for is neither right nor wrong."""
    from edge.daemon.checkup import Finding
    from edge.errors import FatalError
    from edge.runtime.delegates import find
    from edge.runtime.litert import interpreter_name

    yield Finding("ok", "interpreter", interpreter_name())
    asked = (*made.runtime.delegates, *more)
    for name in dict.fromkeys((*asked, "cpu", "gpu", "edgetpu")):
        wrong, right = ("warning", "ok") if name in asked else ("-", "-")
        try:
            found = find(name)
        except FatalError as error:
            yield Finding(wrong, name, f"not found: {error}")  # type: ignore[arg-type]
            continue
        if model is None:
            yield Finding(right, name, f"found: {found}")  # type: ignore[arg-type]
            continue
        verdict, used = _in_a_child(name, model)
        if not used and service.first_delegate and name == made.runtime.delegates[0]:
            verdict, used = f"the service uses it; tried beside it: {verdict}", True
        yield Finding(right if used else wrong, name, verdict)  # type: ignore[arg-type]


def _try(name: str, path: Path) -> list[object]:
    """Verdict and whether the delegate can be used."""
    import statistics
    import time

    from edge import model
    from edge.errors import HedgerowError
    from edge.runtime.proof import decoder
    from edge.runtime.runtime import open_runtime
    from edge.runtime.verify import seeded

    try:
        loaded = model.load(path)
        runtime = open_runtime(loaded, (name,))
        decoder(loaded, runtime.input, runtime.outputs)
        durations_s = []
        for tensor in [*seeded(runtime.input)] * 5:
            began_s = time.monotonic()
            runtime.infer(tensor)
            durations_s.append(time.monotonic() - began_s)
    except HedgerowError as error:
        reason = str(error).rpartition(f"no delegate runs this model: {name}: ")[2]
        return [f"refused: {reason}", False]
    how = "reproduces the golden vectors" if loaded.golden is not None else "agrees with the CPU"
    return [f"right: {how}; {statistics.median(durations_s) * 1000:.2f} ms an inference", True]


def _in_a_child(name: str, path: Path) -> tuple[str, bool]:
    """A delegate that crashes or hangs takes only the child down."""
    command = [sys.executable, "-m", "edge", "doctor", "--model", str(path), "--only", name]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=180,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "refused: it hangs", False
    if done.returncode:
        return f"refused: its process ended with status {done.returncode}", False
    verdict, used = json.loads(done.stdout.splitlines()[-1])
    return str(verdict), bool(used)
