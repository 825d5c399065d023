"""A .tflite file -> whether the device takes and runs it, found out in a child process.

A valid file can abort the process that loads it, so none is opened here before it was tried.
"""

import signal
import subprocess
import sys
from pathlib import Path

from converter import child
from edge.errors import FatalError, HedgerowError

LIMIT_S = 300


def try_file(path: Path, what: str) -> None:
    """Load and run once. Raises FatalError with the interpreter's reason."""
    command = [*child.command("converter.trial"), str(path)]
    try:
        ran = subprocess.run(  # noqa: S603 - our own interpreter and module
            command,
            env=child.environment(),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FatalError(f"{what}: one inference took longer than {LIMIT_S} s") from None
    if ran.returncode == 0:
        return
    if ran.returncode < 0:
        name = signal.Signals(-ran.returncode).name
        raise FatalError(f"{what}: the interpreter crashes on it ({name}): do not ship it")
    raise FatalError(f"{what}: {ran.stdout.strip() or ran.stderr.strip()[-300:]}")


def main() -> int:
    """In the child: one inference on zeros; the reason goes to stdout."""
    import numpy as np

    from edge.flatbuffer import preflight
    from edge.runtime.litert import LiteRt

    try:
        flatbuffer = Path(sys.argv[1]).read_bytes()
        preflight.check(flatbuffer)
        network = LiteRt("int8 model", flatbuffer, threads=1)
        network.infer(np.zeros(network.input.shape, network.input.dtype))
    except HedgerowError as error:
        print(error)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
