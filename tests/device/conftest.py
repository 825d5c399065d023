"""The device lab's machines: an image, the project installed in it, a fresh copy for each test."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, need
from tests.device.vm import Machine, freeze

LAB = Path(os.environ.get("HEDGEROW_LAB", "~/.cache/hedgerow-lab")).expanduser()
HERE = Path(__file__).parent
INSTALL = "cd /root/hedgerow && PIP_NO_INDEX=1 PIP_FIND_LINKS=/opt/wheels ./systemd/install *.whl"
INSTALL_S = 1800.0
CONFIG = "/etc/hedgerow/edge.toml"
FILES = "find / -xdev -not -path '/proc/*' -not -path '/root/*' -not -path '/tmp/*' | sort"
"""/root is where the package was copied to."""


def image(arch: str) -> Path:
    """The base disk, made where it is missing or was made by another script."""
    for tool in ("qemu-img", "mke2fs", "mmdebstrap"):
        need(shutil.which(tool) is not None, f"{tool} (see tests/device/build-image)")
    need(os.getuid() == 0, "root, to make a disk,")
    made_by = hashlib.sha256()
    for path in (HERE / "build-image", HERE / "initrd-init", *sorted((HERE / "guest").rglob("*"))):
        made_by.update(path.read_bytes() if path.is_file() else b"")
    mark = LAB / arch / "made-by"
    if not (mark.exists() and mark.read_text() == made_by.hexdigest()):
        subprocess.run([HERE / "build-image", arch], check=True, env=os.environ)
        freeze(LAB / arch, "warm", lambda machine: machine.run("test -c /dev/video0"))
        mark.write_text(made_by.hexdigest())
    return LAB / arch


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


def installed(arch: str, tree: Path, scratch: Path, before: str = "warm") -> str:
    """The name of the state in which that tree is installed by its own installer and runs."""
    name = f"{bundle(tree, scratch)}-on-{before}"
    base = image(arch)
    if not (base / f"{name}.state").exists():

        def prepare(machine: Machine) -> None:
            if before == "warm":
                machine.run(f"{FILES} > /root/before")
            machine.run("rm -rf /root/hedgerow")
            machine.push(scratch / "hedgerow", "/root")
            machine.run(f"{INSTALL} > /root/install.log 2>&1 || (tail /root/install.log; exit 1)",
                        timeout_s=INSTALL_S)  # fmt: skip
            machine.wait("systemctl is-active edge")

        freeze(base, name, prepare, before)
    return name


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> str:
    """This tree, installed on amd64."""
    return installed("amd64", REPOSITORY, tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def device(installation: str) -> Iterator[Machine]:
    """A machine on which the service runs, as it was installed; nobody else's."""
    with Machine(image("amd64"), installation) as machine:
        yield machine


def configure(machine: Machine, more: str) -> None:
    """An edge.toml for vivid's camera, and reload."""
    text = (
        'device = "lab"\n[model]\npath = "/usr/local/share/hedgerow/person.tflite"\n'
        f'[source.cam]\nuri = "usb:0"\n{more}\n'
    )
    machine.run(f"cat > {CONFIG} <<'END'\n{text}END\nsystemctl reload edge")


FLOW = """[feed]
status_interval_s = 2.0
[events]
labels = ["no_person"]
enter = 0.0
confirm = 1
update_s = 0.1
"""
"""An event for every frame."""
