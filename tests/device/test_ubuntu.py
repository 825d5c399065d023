"""JetPack 6's Ubuntu 22.04: its Python 3.10 is too old for the service, and has the camera.

In a chroot, without NVIDIA's packages and without systemd as PID 1. The Ubuntu is made once; Python
3.11 comes from its own repository, by the installer, as on a Jetson with internet.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.device.conftest import bundle
from tests.device.roots import Root, archive

MIRROR = "http://archive.ubuntu.com/ubuntu"
SUITES = ("jammy", "jammy-updates")
# What a Jetson's Ubuntu has: NumPy 1.21 and OpenCV 4.5, compiled for 3.10, and older packages of
# names that our dependencies have too.
PACKAGES = "apt,ca-certificates,systemd,python3,python3-numpy,python3-opencv,python3-protobuf,"
PACKAGES += "python3-click,python3-tqdm,python3-gi,gir1.2-gst-plugins-base-1.0,"
PACKAGES += "gstreamer1.0-plugins-base"
INSTALL = "cd /root/hedgerow && PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels ./systemd/install *.whl"
MODEL = "/usr/local/share/hedgerow/person.tflite"


def ubuntu() -> Path:
    """Ubuntu 22.04 as an archive, made once."""
    # Debian has no key of Ubuntu's: good enough for a root that is thrown away.
    lines = [f"deb [trusted=yes] {MIRROR} {suite} main universe" for suite in SUITES]
    return archive("ubuntu", "jammy", PACKAGES, lines)


@pytest.fixture(scope="module")
def jetson(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    archive = ubuntu()
    folder = tmp_path_factory.mktemp("jetson")
    with ExitStack() as left:
        left.callback(shutil.rmtree, folder, ignore_errors=True)
        subprocess.run(["tar", "-C", folder, "-xf", archive], check=True)
        (folder / "etc/resolv.conf").unlink(missing_ok=True)
        shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
        bundle(REPOSITORY, folder / "root")
        wheels = ["download", "-qq", "--only-binary=:all:", "--python-version=3.11"]
        wheels += [
            "-d",
            str(folder / "root/wheels"),
            *map(str, (folder / "root/hedgerow").glob("*.whl")),
        ]
        subprocess.run([sys.executable, "-m", "pip", *wheels], check=True)
        yield Root(folder)


def test_where_apt_has_no_other_python_one_line_says_what_is_missing(jetson: Root) -> None:
    jetson.run("mv /etc/apt/sources.list /root; rm -rf /var/lib/apt/lists")
    said = jetson.run(INSTALL, check=False)
    assert "needs Python 3.11, 3.12 or 3.13, and here is Python 3.10" in said.splitlines()[-1]
    assert "apt install python3.11 python3.11-venv" in said.splitlines()[-1]
    assert jetson.run("find /opt /etc/hedgerow -name 'edge*' 2>/dev/null", check=False) == ""


def test_the_installer_takes_ubuntus_python_3_11_beside_its_3_10(jetson: Root) -> None:
    jetson.run("mv /root/sources.list /etc/apt")
    said = jetson.run(INSTALL)
    assert "apt-get install python3.11 python3.11-venv" in said
    assert "edge.toml: right" in said
    assert jetson.run("/opt/hedgerow/current/bin/python --version").startswith("Python 3.11.")
    listed = jetson.run("/opt/hedgerow/current/bin/pip list -v")
    assert "dist-packages" not in listed, "what was compiled for 3.10 is not taken"
    assert jetson.run("systemd-analyze verify /etc/systemd/system/edge.service") == ""


def test_installed_again_it_is_the_same(jetson: Root) -> None:
    jetson.run("echo '# mine' >> /etc/hedgerow/edge.toml")
    look = "sha256sum /etc/hedgerow/edge.toml /etc/systemd/system/edge.service; ls /opt/hedgerow"
    before = jetson.run(look)
    assert "apt-get" not in jetson.run(INSTALL)
    assert jetson.run(look) == before


def test_gstreamer_runs_in_the_systems_python_and_labels_come(jetson: Root) -> None:
    """The camera's process is Python 3.10 with NumPy 1.21, the rest of the service is 3.11."""
    said = jetson.run(
        "timeout 300 edge run --json --observations --source 'gst:videotestsrc is-live=true' "
        f"--model {MODEL} | grep --max-count=2 observation",
        check=False,
    )
    seen = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert len(seen) >= 2, said
    assert {line["label"] for line in seen} <= {"person", "no_person"}


def test_without_nvidias_elements_csi_says_which_one_is_missing(jetson: Root) -> None:
    said = jetson.run(f"timeout 60 edge run --source csi:0 --model {MODEL}", check=False)
    assert 'edge: error: csi:0: no element "nvarguscamerasrc"' in said
