"""`edge capture`: pictures from a source, for calibration and training."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edge.config import SourceConfig


@click.command()
@click.option("--source", required=True, metavar="URI", help="As for edge run.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="edge.toml: --source is then a source's name in it, altered as it says there.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to fill.")
@click.option("--count", default=100, show_default=True, help="How many pictures.")
@click.option("--every", default=1, show_default=True, help="Keep one frame of so many.")
def capture(source: str, config_path: Path | None, out: Path, count: int, every: int) -> None:
    """Save pictures as the model will see them: calibrate with what the camera really shows."""
    import cv2

    from edge.errors import TransientError
    from edge.sources import open_source

    saved = 0
    frames = open_source(_section(source, config_path))
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(frames):
            if number % every:
                continue
            path = out / f"{saved:05d}.jpg"
            if not cv2.imwrite(str(path), frame.image, [cv2.IMWRITE_JPEG_QUALITY, 95]):
                raise TransientError(f"{path}: cannot be written")
            saved += 1
            if saved == count:
                break
    except OSError as error:
        raise TransientError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        frames.stop()
    click.echo(f"{saved} pictures in {out}")


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
