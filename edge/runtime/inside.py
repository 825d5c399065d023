"""A delegate's own process: opens the model on it, then infers when it is told to.

`python -m edge.runtime.inside CONTROL NETWORK TENSORS` (descriptors), started by `guest`. Whatever
a delegate's library does, it does it here. The process ends with its parent, by SIGKILL from the
kernel: a library that hangs may hold Python's lock.
"""

import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
from typing import Any

from edge.runtime.delegates import open_delegate
from edge.runtime.litert import Interpreter
from edge.runtime.shared import Shared, make_room, put
from edge.types import TensorSpec

PARENT = 0
"""The end of a pipe that the parent holds open and never writes to."""
MOST = 1 << 17
LONGEST_NAME = 1000
READY, INFER, INVOKE, DONE = b"ready", b"infer", b"invoke", b"done"


def main() -> int:
    """The parent alone decides when this ends: Ctrl-C and systemd's SIGTERM are for the daemon."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if not _end_with_parent():
        return 1
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control, network, tensors = (int(argument) for argument in sys.argv[1:])
    with socket.socket(fileno=control) as parent:
        parent.send(READY)
        asked = json.loads(parent.recv(MOST))
        try:
            interpreter = open_delegate(
                asked["delegate"], asked["path"], _whole(network), asked["threads"]
            )
            specs = (interpreter.inputs[0], *interpreter.outputs)
            make_room(tensors, specs)
            shared = Shared(tensors, specs)
        except Exception as error:  # noqa: BLE001  whatever a library raises
            parent.send(failure(error))
            return 0
        claims = getattr(interpreter, "claims", None)
        parent.send(json.dumps({"specs": [_told(s) for s in specs], "claims": claims}).encode())
        _serve(parent, interpreter, shared)
    return 0


def _end_with_parent() -> bool:
    fcntl.fcntl(PARENT, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(PARENT, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(PARENT, fcntl.F_SETFL, os.O_ASYNC)
    poll = select.poll()
    poll.register(PARENT, select.POLLHUP)
    return not poll.poll(0)


def _whole(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        return file.read()


def _serve(parent: socket.socket, interpreter: Interpreter, shared: Shared) -> None:
    """Until the parent hangs up."""
    while asked := parent.recv(MOST):
        try:
            if asked == INVOKE:
                interpreter.invoke()
            else:
                answers = interpreter.infer(shared.input)
                for view, answer in zip(shared.outputs, answers, strict=True):
                    put(view, answer)
        except Exception as error:  # noqa: BLE001  whatever a library raises
            parent.send(failure(error))
            continue
        parent.send(DONE)


def failure(error: Exception) -> bytes:
    """The message that says so."""
    text = str(error) or type(error).__name__
    return json.dumps({"error": text[: MOST // 64], "kind": type(error).__name__}).encode()


def _told(spec: TensorSpec) -> dict[str, Any]:
    return {
        "name": spec.name[:LONGEST_NAME],
        "shape": spec.shape,
        "dtype": spec.dtype.str,
        "scale": spec.scale,
        "zero_point": spec.zero_point,
    }


if __name__ == "__main__":
    sys.exit(main())
