"""`edge capture`: pictures from a source, for calibration and training."""

from pathlib import Path

import click


@click.command()
@click.option("--source", required=True, metavar="URI", help="As for edge run.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to fill.")
@click.option("--count", default=100, show_default=True, help="How many pictures.")
@click.option("--every", default=1, show_default=True, help="Keep one frame of so many.")
def capture(source: str, out: Path, count: int, every: int) -> None:
    """Save pictures as the model will see them: calibrate with what the camera really shows."""
    import cv2

    from edge import config
    from edge.errors import TransientError
    from edge.sources import open_source

    section = config.load(None, {"source": {"capture": {"uri": source}}}).source["capture"]
    saved = 0
    frames = open_source(section)
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
