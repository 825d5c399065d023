"""A delegate in a process of its own, as an interpreter that can be given up and killed."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from edge.errors import FatalError
from edge.model import Model
from edge.runtime.inside import DONE, INFER, INVOKE, MOST, READY
from edge.runtime.shared import Shared, put
from edge.runtime.trial import environment
from edge.text import shown
from edge.types import Tensor, TensorSpec

START_S = 60.0
"""Python and LiteRT are loaded, before the delegate is; a busy Raspberry Pi takes 5 s."""
GONE_S = 2.0
SLICE_S = 0.2
"""How often it is asked whether to go on waiting for a delegate that opens."""


class Hung(FatalError):  # noqa: N818
    """The delegate did not come back; its process was killed."""


class Crashed(FatalError):  # noqa: N818
    """The delegate's process ended by itself."""


class Guest:
    """Constructed: its process starts. `open` loads the delegate; then it infers."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    claims: bool | None
    """Whether the delegate took any operator; None: it does not tell."""

    def __init__(self, delegate: str, model: Model, threads: int) -> None:
        """Raises OSError where no process can be started."""
        self._asked = {"delegate": delegate, "path": str(model.path), "threads": threads}
        self._shared: Shared | None = None
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._memory = os.memfd_create("tensors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        network = os.memfd_create("network")
        self.limit_s = START_S
        """The longest that an answer may take."""
        self._until_s: float | None = None
        self._stopped: Callable[[], bool] = bool
        try:
            with open(network, "wb", closefd=False) as file:
                file.write(model.flatbuffer)
            os.lseek(network, 0, os.SEEK_SET)
            self._process = _start(its.fileno(), network, self._memory)
        except OSError:
            self._control.close()
            os.close(self._memory)
            raise
        finally:
            its.close()
            os.close(network)

    def open(self, limit_s: float, stopped: Callable[[], bool]) -> None:
        """The delegate is loaded and takes the model, and what is asked of it until `proved` has
        so long in all. Raises FatalError, Hung and Crashed; `stopped` ends the waiting."""
        self._stopped = stopped
        self._wait(START_S)
        self._until_s, self.limit_s = time.monotonic() + limit_s, limit_s
        said = json.loads(self._ask(json.dumps(self._asked).encode()))
        specs = tuple(_spec(told) for told in said["specs"])
        self.inputs, self.outputs, self.claims = specs[:1], specs[1:], said["claims"]
        self._shared = Shared(self._memory, specs)

    def proved(self, limit_s: float) -> None:
        """From now on each answer may take so long."""
        self._until_s, self.limit_s, self._stopped = None, limit_s, bool

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """As LiteRt.infer; raises Hung and Crashed too."""
        assert self._shared is not None
        put(self._shared.input, tensor)
        self._ask(INFER)
        return tuple(view.copy() for view in self._shared.outputs)

    def invoke(self) -> None:
        """Once more on what the input tensor holds."""
        self._ask(INVOKE)

    def kill(self) -> None:
        """From any thread: it ends now, whatever it does, with what it started, and lets its device
        go."""
        with suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):  # a driver that hangs holds even the dead
            self._process.wait(GONE_S)

    def close(self) -> None:
        """In order where it is idle, else killed."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GONE_S)
        self.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._control.close()
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    def _ask(self, what: bytes) -> bytes:
        with suppress(OSError):  # it has ended; how, is found in a moment
            self._control.send(what)
        limit_s = self.limit_s
        if self._until_s is not None:
            limit_s = max(0.0, self._until_s - time.monotonic())
        return self._wait(limit_s)

    def _wait(self, limit_s: float) -> bytes:
        until_s = time.monotonic() + limit_s
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while not poll.poll(max(0.0, min(SLICE_S, until_s - time.monotonic())) * 1000):
            if self._stopped():
                self.kill()
                raise FatalError("was stopped while it was opened")
            if time.monotonic() >= until_s:
                self.kill()
                raise Hung(f"it did not come back within {self.limit_s:g} s")
        try:
            said = self._control.recv(MOST)
        except OSError:
            said = b""
        if not said:
            raise Crashed(f"its process ended with {self._ending()}")
        if said not in (DONE, READY) and (error := json.loads(said).get("error")):
            raise FatalError(shown(error))
        return said

    def _ending(self) -> str:
        try:
            status = self._process.wait(GONE_S)
        except subprocess.TimeoutExpired:
            return "no answer"
        if status >= 0:
            return f"exit status {status}"
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"


def _start(control: int, network: int, memory: int) -> subprocess.Popen[bytes]:
    """What a library prints goes to our stderr: stdout may be somebody's JSON."""
    descriptors = (control, network, memory)
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "edge.runtime.inside", *map(str, descriptors)],
        stdin=subprocess.PIPE,
        stdout=2,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is for the daemon
        env=environment(),
    )


def _spec(told: dict[str, Any]) -> TensorSpec:
    dtype: np.dtype[Any] = np.dtype(told["dtype"])
    shape = tuple(told["shape"])
    return TensorSpec(told["name"], shape, dtype, told["scale"], told["zero_point"])
