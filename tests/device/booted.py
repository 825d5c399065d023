"""A Debian whose own systemd is process 1 in namespaces of its own: a service's life in seconds,
where a virtual machine takes minutes. No kernel, no cameras, no network of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import need
from tests.device.roots import ENVIRONMENT, Root

START_S = 120.0
MASKED = ("systemd-udevd", "systemd-networkd", "systemd-resolved", "systemd-logind")
SYSTEMD = """
mount --bind $0 $0 && mount -t proc proc $0/proc && mount -t sysfs -o ro sysfs $0/sys &&
mount -t cgroup2 cgroup2 $0/sys/fs/cgroup && mount -t tmpfs -o mode=755 tmpfs $0/dev &&
for name in null zero full random urandom tty; do
    touch $0/dev/$name && mount --bind /dev/$name $0/dev/$name
done && mkdir $0/dev/shm && mount -t tmpfs -o mode=1777 tmpfs $0/dev/shm &&
mount -t tmpfs -o mode=755 tmpfs $0/run && mount -t tmpfs -o mode=1777 tmpfs $0/tmp &&
hostname lab && exec chroot $0 env -i container=lxc PATH=/usr/sbin:/usr/bin \\
    /lib/systemd/systemd --show-status=no
"""


class Booted(Root):
    """A root with its systemd running."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._init = 0
        for name in MASKED:
            unit = folder / f"etc/systemd/system/{name}.service"
            if not unit.is_symlink():
                unit.symlink_to("/dev/null")
        (folder / "etc/machine-id").write_text("")

    def boot(self) -> None:
        spaces = ("--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net")
        with (self.folder.parent / "console").open("ab") as console:
            process = subprocess.Popen(
                ["unshare", *spaces, "--fork", "sh", "-c", SYSTEMD, self.folder],
                preexec_fn=_own_group,  # noqa: PLW1509
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self._process = process
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until_s = time.monotonic() + START_S
        while not self._init or self.run(
            "systemctl is-system-running", check=False
        ).strip() not in (
            "running",
            "degraded",
        ):
            assert process.poll() is None, "it does not boot"
            assert time.monotonic() < until_s, "it does not come up"
            self._init = int((children.read_text().split() or ["0"])[0])
            time.sleep(0.3)

    def power_cut(self) -> None:
        """All processes at once; what they had written stays."""
        os.kill(self._init, signal.SIGKILL)
        self._process.wait()
        self._init = 0

    def start(self, command: str) -> subprocess.Popen[str]:
        spaces = [f"--target={self._init}", "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w"]
        return subprocess.Popen(
            ["nsenter", *spaces, "env", "-i", *ENVIRONMENT, "bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(self, command: str, timeout_s: float = 240.0) -> str:
        """Until the command succeeds; its output."""
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                return self.run(command)
            except RuntimeError:
                if time.monotonic() > until_s:
                    raise
            time.sleep(0.5)


def _groups() -> Path:
    """Where this kernel's second kind of control groups is mounted."""
    lines = Path("/proc/mounts").read_text().splitlines()
    found = [line.split()[1] for line in lines if line.split()[2] == "cgroup2"]
    need(bool(found), "cgroup2")
    return Path(found[0])


def _own_group() -> None:
    group = _groups() / f"hedgerow-lab-{os.getpid()}"
    group.mkdir()
    (group / "cgroup.procs").write_text(str(os.getpid()))


@contextmanager
def booted(folder: Path) -> Iterator[Booted]:
    """Until the block ends."""
    made = Booted(folder)
    made.boot()
    try:
        yield made
    finally:
        made.power_cut()
