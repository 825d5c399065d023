"""Folders that commands see as /: Debian and Ubuntu without a machine around them."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.conftest import REPOSITORY, need
from tests.device.conftest import LAB, bundle

# proc, dev and run, gone with the command.
MOUNTS = """mount -t proc proc $0/proc && mount --bind /dev $0/dev && mount -t tmpfs run $0/run &&
mkdir -p $0/run/lock && exec "$@"
"""
ENVIRONMENT = ("PATH=/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "LC_ALL=C.UTF-8")
PACKAGES = "systemd,python3,python3-venv,ca-certificates"
INSTALLER = "cd /root/hedgerow-{version} && PIP_NO_DEPS=1 PIP_NO_INDEX=1 "
INSTALLER += "PIP_FIND_LINKS=/root/wheels exec ./systemd/install"


class Root:
    """A folder that commands see as /."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, command: str) -> subprocess.Popen[str]:
        """A shell command as root, in a process group of its own."""
        here = self.folder
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        inside = ["env", "-i", *ENVIRONMENT, "DEBIAN_FRONTEND=noninteractive"]
        return subprocess.Popen(
            [*own, "sh", "-c", MOUNTS, here, *inside, "chroot", here, "bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, check: bool = True) -> str:
        """A shell command as root; its output. Raises RuntimeError where it fails."""
        with self.start(command) as process:
            said = process.communicate()[0]
        if check and process.returncode:
            raise RuntimeError(f"{command!r} gave {process.returncode}: {said[-4000:]}")
        return said


def archive(name: str, suite: str, packages: str, lines: list[str]) -> Path:
    """A system as an archive, made once."""
    need(shutil.which("mmdebstrap") is not None, "mmdebstrap")
    need(os.getuid() == 0, "root, to enter another system,")
    made = LAB / name / f"{suite}.tar"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        part = made.with_suffix(".part")
        tool = ["mmdebstrap", "--format=tar", "--variant=minbase", f"--include={packages}"]
        done = subprocess.run([*tool, suite, str(part), *lines], check=False)
        need(done.returncode == 0, " ".join(lines))
        part.rename(made)
    return made


def debian(folder: Path, scratch: Path, harm: tuple[str, str] = ("", "")) -> Root:
    """Debian 12 with two releases of this tree in /root, 0.1.0 and 0.2.0; `harm` is done to
    edge/cli/run.py of the second.

    What Hedgerow depends on lies in /opt/needs, where the system's Python finds it in every
    environment: an upgrade takes seconds instead of minutes, by the very same installer.
    """
    releases = [_release("0.1.0", scratch), _release("0.2.0", scratch, harm)]
    subprocess.run(["tar", "-C", folder, "-xf", _prepared(releases[0], scratch)], check=True)
    for release in releases:
        shutil.copytree(release, folder / "root" / release.name)
    return Root(folder)


def _release(version: str, scratch: Path, harm: tuple[str, str] = ("", "")) -> Path:
    """What is copied to a device: a wheel, systemd/, the model."""
    tree = scratch / version
    ignored = shutil.ignore_patterns(".venv", ".git", "build", "tests", "__pycache__", ".*")
    shutil.copytree(REPOSITORY, tree, ignore=ignored)
    package = tree / "edge/__init__.py"
    package.write_text(package.read_text().replace('"0.1.0"', f'"{version}"'))
    command = tree / "edge/cli/run.py"
    assert harm[0] in command.read_text()
    command.write_text(command.read_text().replace(*harm, 1))
    bundle(tree, scratch / f"bundle-{version}")
    made = scratch / f"hedgerow-{version}"
    (scratch / f"bundle-{version}/hedgerow").rename(made)
    return made


def _prepared(release: Path, scratch: Path) -> Path:
    """Debian 12 with the dependencies of a release, as an archive; made once."""
    pyproject = REPOSITORY / "pyproject.toml"
    needed = tomllib.loads(pyproject.read_text())["project"]["dependencies"]
    name = hashlib.sha256("".join(needed).encode()).hexdigest()[:12]
    prepared = LAB / "debian" / f"{name}.tar"
    if prepared.exists():
        return prepared
    mirror = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout.split()[0]  # fmt: skip
    made = archive("debian", "bookworm", PACKAGES, [f"deb {mirror} bookworm main"])
    folder = scratch / "prepared"
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xf", made], check=True)
    _needs(next(release.glob("*.whl")), folder)
    part = prepared.with_suffix(".part")
    subprocess.run(["tar", "-C", folder, "-cf", part, "."], check=True)
    part.rename(prepared)
    shutil.rmtree(folder)
    return prepared


def _needs(wheel: Path, folder: Path) -> None:
    """The dependencies, for Debian 12's Python, and the tools that build a wheel."""
    wheels = folder / "root/wheels"
    pip = [sys.executable, "-m", "pip"]
    quiet = ["-qq", "--disable-pip-version-check"]
    only = ["--only-binary=:all:", "--python-version=3.11"]
    subprocess.run([*pip, "download", *quiet, *only, "-d", wheels, wheel], check=True)
    tools = wheels / "tools"
    subprocess.run([*pip, "download", *quiet, "-d", tools, "setuptools", "wheel"], check=True)
    found = [file for file in wheels.glob("*.whl") if not file.name.startswith("hedgerow")]
    target = ["--no-deps", "--target", str(folder / "opt/needs")]
    subprocess.run([*pip, "install", *quiet, *only, *target, *found], check=True)
    hook = folder / "etc/python3.11/sitecustomize.py"
    hook.write_text("import sys\nsys.path.append('/opt/needs')\n")
    for file in wheels.glob("*.whl"):  # the installer needs only the tools
        file.unlink()
    for file in tools.iterdir():
        file.rename(wheels / file.name)
