"""What a frame costs on its way between two processes: shared memory against a pipe.

`python -m tests.benchmarks.handover`: milliseconds of CPU a frame, both sides together.
"""

import fcntl
import os

import numpy as np

from edge.capture.wire import Arrived, Slots

FRAMES = 300
SIZES = ((360, 640), (480, 640), (720, 1280), (1080, 1920))
F_SETPIPE_SZ = 1031


def main() -> None:
    """One line a size."""
    for height, width in SIZES:
        image = np.zeros((height, width, 3), np.uint8)
        costs = [round(cost(image), 2) for cost in (through_memory, through_a_pipe)]
        print(f"{width}x{height}: shared memory {costs[0]} ms, pipe {costs[1]} ms")


def through_memory(image: np.typing.NDArray[np.uint8]) -> float:
    """As edge.capture does it."""
    memory = os.memfd_create("frames")
    said, saying = os.pipe()
    freed, freeing = os.pipe()
    height, width = image.shape[:2]
    message = Arrived(0, height, width, "bgr", 0.0, 0.0, 0)
    before_s = cpu_s()
    child = os.fork()
    if child == 0:
        slots = Slots(memory)
        for _ in range(FRAMES):
            slots.write(0, image)
            os.write(saying, b"1")
            os.read(freed, 1)
        os._exit(0)
    slots = Slots(memory)
    for _ in range(FRAMES):
        os.read(said, 1)
        slots.read(message)
        os.write(freeing, b"1")
    os.waitpid(child, 0)
    return (cpu_s() - before_s) / FRAMES * 1000


def through_a_pipe(image: np.typing.NDArray[np.uint8]) -> float:
    """As large as an ordinary user may make it."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, 1 << 20)
    before_s = cpu_s()
    child = os.fork()
    if child == 0:
        for _ in range(FRAMES):
            rest = image.data.cast("B")
            while len(rest):
                rest = rest[os.write(writing, rest) :]
        os._exit(0)
    for _ in range(FRAMES):
        rest = np.empty_like(image).data.cast("B")
        while len(rest):
            rest = rest[os.readv(reading, [rest]) :]
    os.waitpid(child, 0)
    return (cpu_s() - before_s) / FRAMES * 1000


def cpu_s() -> float:
    """Of this process and the children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    main()
