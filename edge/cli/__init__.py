"""The command `edge`: arguments in; one line and an exit status out where something is wrong."""

import logging
import os
import sys

import click

from edge import __version__
from edge.cli.bench import bench
from edge.cli.capture import capture
from edge.cli.demo import demo
from edge.cli.doctor import doctor
from edge.cli.feed import feed
from edge.cli.run import run
from edge.cli.schema import schema
from edge.cli.watch import watch
from edge.errors import HedgerowError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge")
def cli() -> None:
    """Run a trained CNN on a camera; its labels go to a local MQTT feed.

    Exit status: 0 done, 1 something failed that may work later, 2 wrong usage, 78 the
    configuration or the model must be changed first, 130 interrupted.
    """


for command in (run, watch, capture, demo, bench, doctor, schema, feed):
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s"
    )
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except HedgerowError as error:
        click.echo(f"edge: error: {error}", err=True)
        status = error.exit_status
    sys.exit(status)
