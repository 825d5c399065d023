"""A model's first load, allocation and inference, in a child process that may crash.

A hostile or damaged file that gets past the pre-flight takes the child down, or reaches its
limits, and not the daemon. `python -m edge.runtime.trial` is the child: the flatbuffer comes on
stdin; what is wrong goes to stdout.
"""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from edge.errors import FatalError
from edge.runtime.litert import LiteRt
from edge.types import Tensor, TensorSpec

TIME_S = 30.0
"""A Raspberry Pi loads and runs a large CNN in under 5 s."""
MEMORY_BYTES = 1 << 30
"""Beyond the model file itself; the child's own memory, not what it shares."""
REFUSED = 3
PACKAGES = Path(__file__).resolve().parents[2]


def try_out(name: str, flatbuffer: bytes, time_s: float = TIME_S) -> None:
    """Raises FatalError with one line where the child does not get through it."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "edge.runtime.trial"],
            input=flatbuffer,
            capture_output=True,
            timeout=time_s,
            env=environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FatalError(
            f"{name}: its first inference, tried in a child process, took longer than "
            f"{time_s:.0f} s: the file is damaged or too large for this device"
        ) from None
    if done.returncode == REFUSED:
        raise FatalError(f"{name}: {done.stdout.decode(errors='replace').strip()}")
    if done.returncode:
        raise FatalError(
            f"{name}: its first inference, tried in a child process, ended with "
            f"{_ending(done.returncode)}: the file is damaged or hostile; copy or convert it again"
        )


def environment() -> dict[str, str]:
    """The child finds the same `edge` as its parent, and nothing that lies where it is started."""
    paths = [str(PACKAGES), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    path = os.pathsep.join(dict.fromkeys(paths))
    return os.environ | {
        "PYTHONPATH": path,
        "PYTHONSAFEPATH": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _ending(returncode: int) -> str:
    if returncode > 0:
        return f"exit status {returncode}"
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def still(spec: TensorSpec) -> Tensor:
    """A tensor of the input's shape in the middle of its range."""
    return np.full(spec.shape, spec.zero_point, spec.dtype)


def main() -> int:
    """The child: limits first, then what the daemon would do with the model."""
    flatbuffer = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(TIME_S), int(TIME_S)))
    memory = MEMORY_BYTES + 4 * len(flatbuffer)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        interpreter = LiteRt("", flatbuffer, threads=1)
        interpreter.infer(still(interpreter.input))
    except FatalError as error:
        sys.stdout.write(str(error).removeprefix(": "))
        return REFUSED
    except MemoryError:
        sys.stdout.write(f"takes more than {memory >> 20} MiB of memory")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
