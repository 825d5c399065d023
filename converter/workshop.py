"""Jobs for TensorFlow -> their results, from a child process that is thrown away afterwards.

TensorFlow prints a lot, its converter leaks memory at every call and can abort the process;
none of that reaches the user or this process.
"""

import json
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from converter import child
from converter.progress import DELAY_S
from edge.errors import FatalError


class Workshop:
    """`with Workshop(scratch, progress) as workshop: workshop.ask("load", "loading", {...})`."""

    def __init__(self, scratch: Path, progress: bool) -> None:
        """The child starts here and imports TensorFlow while the caller does other things."""
        self._log = scratch / "tensorflow.log"
        self._progress = progress
        self._child = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        environment = child.environment() | {
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "-1",
            "PYTHONUNBUFFERED": "1",
        }
        with self._log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                child.command("converter.worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def __enter__(self) -> "Workshop":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child, whatever it is doing."""
        self._child.kill()
        self._child.communicate()

    def ask(self, job: str, what: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """One job, waited for with a clock on stderr. No job knows of those before it.

        Raises FatalError with the child's own line, or with how it died; another child does the
        next job then.
        """
        if self._child.poll() is not None:
            self._child.communicate()
            self._child = self._start()
        request = json.dumps({"job": job} | arguments).encode() + b"\n"
        try:
            assert self._child.stdin is not None
            self._child.stdin.write(request)
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._died(what) from None
        line = self._answer(what)
        if not line:
            raise self._died(what)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise FatalError(answer["error"])
        return answer

    def _answer(self, what: str) -> bytes:
        from tqdm import tqdm

        assert self._child.stdout is not None
        clock = tqdm(
            total=0,
            desc=what,
            bar_format="{desc}: {elapsed}",
            delay=DELAY_S,
            disable=not (self._progress and sys.stderr.isatty()),
            file=sys.stderr,
        )
        with selectors.DefaultSelector() as selector, clock:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            started = time.monotonic()
            while not selector.select(0.5):
                if time.monotonic() - started > DELAY_S:
                    clock.refresh()
            return self._child.stdout.readline()

    def _died(self, what: str) -> FatalError:
        status = self._child.wait()
        reason = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        lines = self._log.read_text(errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        return FatalError(f"{what}: TensorFlow's process ended ({reason}): {last[:300]}")
