"""The device lab's machines: an image, the project installed in it, a fresh copy for each test."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import REPOSITORY, need
from tests.device.vm import Machine, freeze

LAB = Path(os.environ.get("HEDGEROW_LAB", "~/.cache/hedgerow-lab")).expanduser()
HERE = Path(__file__).parent
INSTALL = "cd /root/hedgerow && PIP_NO_INDEX=1 PIP_FIND_LINKS=/opt/wheels ./systemd/install *.whl"
INSTALL_S = 1800.0
STATUS_S = 300.0
DAY_S = 86_400.0
CONFIG = "/etc/hedgerow/edge.toml"
FILES = "find / -xdev -not -path '/proc/*' -not -path '/dev/*' | sort"


class Installation(NamedTuple):
    """A disk with the project on it, and the state in which it runs."""

    folder: Path
    name: str


def bundle(tree: Path, out: Path) -> str:
    """What is copied to a device without internet: a wheel, systemd/, the model. Its hash."""
    folder = out / "hedgerow"
    folder.mkdir(parents=True)
    source = out / "source"
    shutil.copytree(tree, source, ignore=shutil.ignore_patterns(".venv", "build", ".git", "tests"))
    wheel = ["wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run([sys.executable, "-m", "pip", *wheel], check=True, stderr=subprocess.DEVNULL)
    shutil.copytree(tree / "systemd", folder / "systemd")
    (folder / "models/person").mkdir(parents=True)
    shutil.copy(tree / "models/person/model.tflite", folder / "models/person")
    made = hashlib.sha256()
    for path in sorted((*source.glob("edge/**/*.py"), *folder.glob("systemd/*"))):
        made.update(str(path.relative_to(out)).encode() + path.read_bytes())
    made.update((source / "pyproject.toml").read_bytes())
    return made.hexdigest()[:12]


def installed(arch: str, tree: Path, scratch: Path) -> Installation:
    """That tree, installed by its own installer on Debian 13, booted once and kept."""
    for tool in ("qemu-img", "mke2fs", "mmdebstrap", "socat"):
        need(shutil.which(tool) is not None, f"{tool} (see tests/device/build-image)")
    need(os.getuid() == 0, "root, to make a disk,")
    name = f"{bundle(tree, scratch)}-{_lab()}"
    folder = LAB / arch
    if not (folder / f"{name}.state").exists():
        for old in (
            path for kind in ("raw", "qcow2", "state") for path in folder.glob(f"*.{kind}")
        ):
            if time.time() - old.stat().st_mtime > DAY_S:  # younger ones may be in use
                old.unlink()
        told = os.environ | {"PYTHON": sys.executable}
        command = [str(HERE / "build-image"), arch, name, str(scratch / "hedgerow")]
        subprocess.run(command, check=True, env=told)
        freeze(folder, name, lambda machine: machine.wait("systemctl is-active edge"))
    return Installation(folder, name)


def _lab() -> str:
    """What the disk is made and kept by, beside the bundle."""
    made = hashlib.sha256()
    files = [HERE / name for name in ("build-image", "initrd-init", "vm.py")]
    for path in (*files, *sorted((HERE / "guest").rglob("*"))):
        made.update(path.read_bytes() if path.is_file() else b"")
    return made.hexdigest()[:6]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """This tree, installed on amd64."""
    return installed("amd64", REPOSITORY, tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def device(installation: Installation) -> Iterator[Machine]:
    """A machine on which the service runs, as it was installed; nobody else's."""
    with Machine(*installation) as machine:
        yield machine


def configure(machine: Machine, more: str) -> None:
    """An edge.toml for vivid's camera, and reload."""
    text = (
        'device = "lab"\n[model]\npath = "/usr/local/share/hedgerow/person.tflite"\n'
        f'[source.cam]\nuri = "usb:0"\n{more}\n'
    )
    machine.run(f"cat > {CONFIG} <<'END'\n{text}END\nsystemctl reload edge")


def until_status(machine: Machine, *words: str) -> str:
    """The service's status line, once it has these words."""
    until_s = time.monotonic() + STATUS_S
    while True:
        line = machine.run("systemctl show -P StatusText edge").strip()
        if all(word in line for word in words):
            return line
        assert time.monotonic() < until_s, (
            f"{line!r} has not {words}; {machine.run('journalctl -u edge -o short-precise -n 40')}"
        )
        time.sleep(1)


FLOW = """[feed]
status_interval_s = 2.0
[events]
labels = ["no_person"]
enter = 0.0
confirm = 1
update_s = 0.1
"""
"""An event for every frame."""
