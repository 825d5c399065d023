"""A camera's server is killed again and again: how soon are there labels again, does anything grow?

`python -m tests.benchmarks.reconnect MODEL [--times 20] [--stall] [--http]`

A real RTSP server (or one of MJPEG over HTTP) on loopback, `edge run --json`; the time is from the
server's return (it listens) to the first label. With --stall the server is not killed: its
pictures stop for longer than the source's limit, and go on. Growth is read after the second and
after the last return.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

from tests.benchmarks.process import Usage, usage
from tests.cameras.servers import RtspServer, WebCamera, encode, jpeg, picture
from tests.conftest import edge_command

DEAD_S = 3.0
"""How long the server stays away."""
STALLED_S = 8.0
"""How long a server shows no picture: longer than timeout_s."""
SETTLED_S = 2.0
"""After a return, before anything is measured."""


class Labels:
    """When the latest observation came out of `edge run --json`."""

    def __init__(self, daemon: subprocess.Popen[str]) -> None:
        self.latest_s = 0.0
        self._daemon = daemon
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._daemon.stdout is not None
        for line in self._daemon.stdout:
            if json.loads(line)["schema"].startswith("hedgerow.observation"):
                self.latest_s = time.monotonic()

    def after(self, moment_s: float) -> float:
        """Seconds from a moment to the first label after it."""
        while self.latest_s <= moment_s:
            if self._daemon.poll() is not None or time.monotonic() > moment_s + 60:
                sys.exit("no label within a minute")
            time.sleep(0.005)
        return self.latest_s - moment_s


def main() -> None:
    """Prints the waits and what grew."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--stall", action="store_true")
    parser.add_argument("--http", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server: RtspServer | WebCamera
        if given.http:
            server = WebCamera(lambda number: jpeg(picture(number)))
        else:
            pictures = [picture(number) for number in range(60)]
            server = RtspServer(encode(Path(folder) / "clip.h264", pictures))
        with server:
            waits, used = run(server, given)
    waits.sort()
    print(
        f"{len(waits)} returns; first label after {statistics.median(waits):.1f} s (median), "
        f"{waits[-1]:.1f} s at most"
    )
    for key in ("memory_mib", "own_mib", "threads", "descriptors"):
        values = [getattr(one, key) for one in used]
        print(f"{key}: {values[0]:.0f} after the second, {values[-1]:.0f} after the last")


def run(
    server: RtspServer | WebCamera, given: argparse.Namespace
) -> tuple[list[float], list[Usage]]:
    """Seconds from each return to a label, and what the daemon used."""
    source = f"--source=cam={server.address}{'/mjpeg' if given.http else ''}"
    command = edge_command("run", "--model", given.model, source, "--json")
    waits: list[float] = []
    used: list[Usage] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        labels = Labels(daemon)
        labels.after(time.monotonic())
        for number in range(given.times):
            if given.stall:
                server.hang()
                time.sleep(STALLED_S)
                server.go_on()
            else:
                server.kill()
                time.sleep(DEAD_S)
                server.start()
            waits.append(labels.after(time.monotonic()))
            time.sleep(SETTLED_S)
            if number in (1, given.times - 1):
                used.append(usage(daemon.pid))
        daemon.terminate()
    return waits, used


if __name__ == "__main__":
    main()
