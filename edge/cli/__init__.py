"""The command `edge`: arguments in; one line and an exit status out where something is wrong."""

import errno
import logging
import os
import sys
from io import TextIOWrapper

import click

from edge import __version__
from edge.cli.bench import bench
from edge.cli.capture import capture
from edge.cli.check import check
from edge.cli.demo import demo
from edge.cli.doctor import doctor
from edge.cli.feed import feed
from edge.cli.init import init
from edge.cli.models import models
from edge.cli.run import run
from edge.cli.schema import schema
from edge.cli.watch import watch
from edge.errors import HedgerowError
from edge.health import journal_log
from edge.text import shown

LINE = 1000
"""Characters of an error's line."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edge")
def cli() -> None:
    """Run a trained CNN on a camera; its labels go to a local MQTT feed.

    Exit status: 0 done, 1 something failed that may work later, 2 wrong usage, 78 the
    configuration or the model must be changed first, 130 interrupted.
    """


for command in (run, init, check, doctor, watch, capture, demo, bench, schema, feed, models):
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    _any_text()
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s"
    )
    if journal_log.to_journal():
        logging.getLogger().handlers[0].setFormatter(journal_log.JournalFormatter())
    try:
        status = cli.main(prog_name="edge", standalone_mode=False)
    except click.ClickException as error:
        _say_usage(error)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except HedgerowError as error:
        level = journal_log.prefix(logging.ERROR) if journal_log.to_journal() else ""
        for line in error.lines:
            click.echo(f"{level}edge: error: {shown(line, LINE)}", err=True)
        status = error.exit_status
    except OSError as error:
        status = _say_system(error)
    sys.exit(status)


def _say_usage(error: click.ClickException) -> None:
    """In one line, as other errors; who gave no command gets the help."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        error.show()
        return
    context = getattr(error, "ctx", None)
    advice = f"; see {context.command_path} --help" if context else ""
    said = error.format_message().rstrip(".").replace("\n", " ")
    click.echo(f"edge: error: {shown(said, LINE)}{advice}", err=True)


def _say_system(error: OSError) -> int:
    """A file that may not be used, output that goes to a full disk or that nobody reads on."""
    if error.filename is not None:
        said = f"{error.filename}: {error.strerror}"
    elif error.errno in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered
        said = f"the output cannot be written: {error.strerror}"
    else:
        raise error
    if error.errno != errno.EPIPE:
        click.echo(f"edge: error: {shown(said, LINE)}", err=True)
    return 1


def _any_text() -> None:
    """Labels and names have any letters; a terminal in a legacy locale shows those that it lacks
    as codes. Into a file or a pipe goes UTF-8, which is what JSON and CSV readers expect."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                encoding=None if stream.isatty() else "utf-8", errors="backslashreplace"
            )
