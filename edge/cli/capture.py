"""`edge capture`: pictures from a source, for calibration and training."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

if TYPE_CHECKING:
    from edge.config import SourceConfig
    from edge.types import Image


@click.command()
@click.option("--source", required=True, metavar="URI", help="As for edge run.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, readable=False),
    help="edge.toml; --source is then the name of a source in it.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the pictures."
)
@click.option(
    "--count", default=100, show_default=True, type=click.IntRange(1), help="How many pictures."
)
@click.option(
    "--every", default=1, show_default=True, type=click.IntRange(1), help="Keep every Nth frame."
)
def capture(source: str, config_path: Path | None, out: Path, count: int, every: int) -> None:
    """Save frames exactly as the model will see them, for calibration or training.

    Pictures are numbered; those that are in the folder already stay, and numbering goes on.
    """
    from itertools import islice

    from edge.errors import TransientError
    from edge.sources import open_source

    frames = open_source(_section(source, config_path))
    saved = 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        number = _next(out)
        for frame in islice(frames, 0, None, every):
            number = _save(frame.image, out, number) + 1
            saved += 1
            if saved == count:
                break
    except OSError as error:
        raise TransientError(
            f"{error.filename or out}: cannot be written: {error.strerror}"
        ) from None
    finally:
        frames.stop()
    click.echo(f"{saved} pictures in {out}")


def _next(out: Path) -> int:
    """The number behind the highest that is there, whatever the file's suffix."""
    return max((int(p.stem) for p in out.iterdir() if p.stem.isdecimal()), default=-1) + 1


def _save(image: "Image", out: Path, number: int) -> int:
    """The first free number from there on: a second capture may run into the same folder."""
    import cv2

    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    while True:
        path = out / f"{number:05d}.jpg"
        try:
            with path.open("xb") as file:
                _write(file, content, path)
            return number
        except FileExistsError:
            number += 1


def _write(file: BinaryIO, content: bytes, path: Path) -> None:
    """All of it, or no file: a full disk leaves no half picture."""
    try:
        file.write(content)
        file.flush()
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None


def _section(source: str, path: Path | None) -> "SourceConfig":
    import re

    from edge import config
    from edge.address import read
    from edge.errors import FatalError

    if path is None:
        return config.load(None, {"source": {"capture": {"uri": source}}}).source["capture"]
    sources = config.load(path).source
    if source not in sources:
        known = ", ".join(sources) or "none"
        said = source if re.fullmatch(r"[\w -]*", source) else read(source).shown
        raise FatalError(f"{path}: there is no source {said!r}; there are {known}")
    return sources[source]
