"""Upgrades that the power, a kill or a full disk ends: a version runs, with its configuration.

A Debian 12 on an ext4 in a file. The power goes as the file system sees it: EXT4_IOC_SHUTDOWN
without a flush of its log, unmounted, mounted again. HEDGEROW_POWER_CUTS sets how many cuts; there
are two kills for five cuts and one full disk.
"""

import base64
import csv
import fcntl
import hashlib
import os
import random
import re
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.device.roots import INSTALLER, Root, debian

CUTS = int(os.environ.get("HEDGEROW_POWER_CUTS", "5"))
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2
LATER_S = 120.0
"""Cuts come as late as this after an upgrade has said that it is done; most sooner."""
RELEASES = {"0.1.0", "0.2.0"}
LOOK = (
    "cd / && edge --version && runuser -u hedgerow -- edge check --config /etc/hedgerow/edge.toml"
    " && cat /etc/hedgerow/edge.toml /var/lib/hedgerow/events"
)


class Disk:
    """An ext4 in a file, with Debian and a release in it."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.root = Root(folder)
        self.version = "0.1.0"
        """Of the release that was installed last."""
        self.took_s = 10.0

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self.image, self.root.folder], check=True)

    def unmount(self) -> None:
        """Until nobody has it any more: a disk that is held is not read anew when it is mounted."""
        until_s = time.monotonic() + 120
        there = ["mountpoint", "-q", str(self.root.folder)]
        used = ["losetup", "--associated", str(self.image)]
        while subprocess.run(used, check=True, capture_output=True).stdout:
            if subprocess.run(there, check=False).returncode == 0:
                command = ["umount", str(self.root.folder)]
                subprocess.run(command, check=False, capture_output=True)
            assert time.monotonic() < until_s, "something still holds the disk"
            time.sleep(0.1)

    def cut(self) -> None:
        """The power goes: what is not on the disk now is lost."""
        folder = os.open(self.root.folder, os.O_RDONLY)
        fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        os.close(folder)

    def upgrade(self) -> subprocess.Popen[str]:
        """To the other release, begun."""
        (version,) = RELEASES - {self.version}
        return self.root.start(f"{INSTALLER.format(version=version)} *.whl")

    def look(self) -> None:
        """What must hold at every moment."""
        said = self.root.run(LOOK)
        self.version = said.split()[2]
        assert self.version in RELEASES, said
        assert "edge.toml: right. person" in said
        assert "# mine" in said
        assert "an event" in said
        here = self.root.folder
        release = here / (here / "opt/hedgerow/current").readlink().relative_to("/")
        for record in release.glob("lib/python*/site-packages/*.dist-info/RECORD"):
            for name, told, _ in csv.reader(record.read_text().splitlines()):
                if told:  # what pip compiles has no sum
                    made = hashlib.sha256((record.parent.parent / name).resolve().read_bytes())
                    short = base64.urlsafe_b64encode(made.digest()).rstrip(b"=").decode()
                    assert told == f"sha256={short}", f"{name} is not what was installed"
        units = here / "etc/systemd/system"
        for name in ("edge.service", "edge-fallback.service"):
            assert (units / name).read_bytes() == (release / "share/hedgerow" / name).read_bytes()
        self.has_its_model(release)

    def has_its_model(self, release: Path) -> None:
        model = (release / "share/hedgerow/person.tflite").read_bytes()
        assert model == (REPOSITORY / "models/person/model.tflite").read_bytes()

    def has_no_leftovers(self) -> None:
        home = self.root.folder / "opt/hedgerow"
        assert sorted(path.name for path in home.iterdir()) == ["current", "releases"]
        assert len(list((home / "releases").iterdir())) == 1

    def next_run(self) -> None:
        """An upgrade that nobody disturbs leaves nothing of those before."""
        began_s = time.monotonic()
        with self.upgrade() as process:
            said = process.communicate()[0]
        assert process.returncode == 0, said
        self.took_s = time.monotonic() - began_s
        self.look()
        self.has_no_leftovers()
        found = self.root.run("find / -xdev -name '*.new' -o -xdev -name 'hedgerow-credentials*'")
        assert found == ""


def kill(process: subprocess.Popen[str]) -> None:
    """The installer with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    place = tmp_path_factory.mktemp("disk")
    image, folder = place / "image", place / "root"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(3 << 30)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", image], check=True)
    made = Disk(image, folder)
    made.mount()
    try:
        debian(folder, place / "scratch")
        made.root.run(f"{INSTALLER.format(version='0.1.0')} *.whl")
        made.root.run("echo '# mine' >> /etc/hedgerow/edge.toml")
        made.root.run("mkdir -p /var/lib/hedgerow; echo an event > /var/lib/hedgerow/events; sync")
        made.next_run()
        yield made
    finally:
        made.unmount()
        image.unlink()


@pytest.mark.parametrize("seed", range(CUTS))
def test_the_power_goes(disk: Disk, seed: int) -> None:
    """In the upgrade, or (every fifth) in the time after it."""
    chance = random.Random(seed)
    with disk.upgrade() as process:
        if seed % 5 == 4:
            assert process.wait() == 0
            time.sleep(chance.random() ** 3 * LATER_S if CUTS > 5 else 1)
        else:
            time.sleep(chance.uniform(0, disk.took_s))
        disk.cut()
        kill(process)
    disk.unmount()
    disk.mount()
    disk.look()
    if seed % 5 == 4:
        disk.next_run()


@pytest.mark.parametrize("seed", range(2 * CUTS // 5))
def test_the_installer_is_killed(disk: Disk, seed: int) -> None:
    with disk.upgrade() as process:
        time.sleep(random.Random(seed).uniform(0, disk.took_s))
        kill(process)
    disk.look()
    if seed % 5 == 1:
        disk.next_run()


@pytest.mark.parametrize("seed", range(CUTS // 5))
def test_the_disk_is_full(disk: Disk, seed: int) -> None:
    ballast = disk.root.folder / "ballast"
    free = os.statvfs(disk.root.folder)
    left = random.Random(seed).randrange(1 << 16, 30 << 20)
    try:
        with ballast.open("wb") as file, suppress(OSError):  # full is full
            os.posix_fallocate(file.fileno(), 0, free.f_bfree * free.f_bsize - left)
        with disk.upgrade() as process:
            said = process.communicate()[0]
        disk.look()
        disk.has_no_leftovers()
        assert process.returncode == 0 or re.search(
            r"No space|Errno 28|can be made in .* free", said
        ), said
    finally:
        ballast.unlink()
    disk.next_run()
