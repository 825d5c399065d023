"""A module of ours, or a program -> a process of its own that ends when this one does."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from converter import interruption

ROOT = str(Path(__file__).resolve().parents[1])
"""Where this package lies."""

WATCHER = """
import os, select, signal
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
hung_up = select.poll()
hung_up.register(0, 0)
hung_up.poll()
os.killpg(0, signal.SIGKILL)
"""
Child = subprocess.Popen[bytes]


def command(module: str) -> list[str]:
    """The interpreter with this module. A file in the working folder that is named like a library
    is no library (-P): whoever unpacks a model often works in its folder."""
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """Ours, and where this package is, which -P no longer finds in a clone."""
    known = [ROOT, os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, known))}


def start(
    arguments: list[str],
    stdout: int | IO[bytes],
    stderr: IO[bytes],
    variables: Mapping[str, str] | None = None,
) -> Child:
    """A process in a group of its own, which calls `watch`; `end` must follow."""
    with interruption.deferred():
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            arguments,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=environment() | dict(variables or {}),
            start_new_session=True,
        )
        interruption.remember(process, partial(_kill, process))
    return process


def end(process: Child) -> None:
    """Kill it and all that it started, whatever they are doing."""
    _kill(process)
    with suppress(OSError):  # what it no longer reads
        process.communicate()
    interruption.forget(process)


def run(arguments: list[str], limit_s: float) -> "subprocess.CompletedProcess[str]":
    """Wait for a process that calls `watch`. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        process = start(arguments, out, log)
        try:
            status = process.wait(limit_s)
        finally:
            end(process)
        return subprocess.CompletedProcess(arguments, status, _text(out), _text(log))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _kill(process: Child) -> None:
    """No lock of Popen's is taken: this may interrupt its own wait."""
    if process.returncode is not None:
        return  # closing its stdin ends what is left of the group
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(OSError):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def watch() -> None:
    """In the child, before any thread is started: its group ends once its parent has gone.

    Its stdin is a pipe, which hangs up when the process at the other end is no more, however that
    ended. A process looks at it, for a thread would have to wait for the interpreter, which long
    calls of TensorFlow hold.
    """
    if os.getpgrp() != os.getpid():
        return  # by hand, from a terminal: its group is somebody else's
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os.read(reading, 1)  # ends when the other program runs
        os.close(reading)
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):  # the parent waits for the end of what the child says
        os.dup2(nothing, descriptor)
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", WATCHER])  # noqa: S606


if __name__ == "__main__":  # for programs that are not ours
    watch()
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - the caller's choice
