"""systemd/edge.service, judged by systemd's own tools."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, need

SERVICE = REPOSITORY / "systemd/edge.service"
EXPOSURE = 2.0


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    need(program is not None, "systemd-analyze (apt install systemd)")
    return subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["edge.service", "edge-fallback.service"])
def test_every_key_is_known(tmp_path: Path, name: str) -> None:
    """It exits with 0 on unknown keys: what counts is that it says nothing."""
    for made in ("edge.service", "edge-fallback.service"):
        text = (REPOSITORY / "systemd" / made).read_text()
        (tmp_path / made).write_text(text.replace("/opt/hedgerow/current/bin/edge", "/bin/true"))
    done = analyze("verify", tmp_path / name)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_key_would_be_seen(tmp_path: Path) -> None:
    unit = tmp_path / "edge.service"
    unit.write_text("[Service]\nExecStart=/bin/true\nWatchdogSeconds=5\n")
    assert "WatchdogSeconds" in analyze("verify", unit).stderr


def test_exposure_is_low() -> None:
    done = analyze("security", "--offline=true", SERVICE)
    found = re.search(r"Overall exposure level for edge.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= EXPOSURE


def test_every_exception_has_its_reason() -> None:
    """What systemd-analyze would like and the unit does not do is explained in a comment."""
    lines = SERVICE.read_text().splitlines()
    for key in ("PrivateDevices", "PrivateNetwork", "ProtectClock", "PrivateUsers", "ProcSubset"):
        reason = next((line for line in lines if line.startswith("#") and f"{key}=" in line), "")
        assert len(reason.partition(":")[2]) > 10, key


def test_a_configuration_that_is_wrong_is_not_tried_again() -> None:
    text = SERVICE.read_text()
    assert "RestartPreventExitStatus=78" in text
    assert "Restart=on-failure" in text


@pytest.mark.parametrize("flag", ["--help", "--purge=yes", "missing.whl"])
def test_the_installer_changes_nothing_where_it_is_asked_for_nothing(flag: str) -> None:
    installer = REPOSITORY / "systemd/install"
    done = subprocess.run([installer, flag], capture_output=True, text=True, check=False)
    if flag == "--help":
        assert (done.returncode, done.stderr) == (0, "")
        assert "--uninstall" in done.stdout
    else:
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"install: error: {flag}: ")


def test_the_installer_is_sound_shell() -> None:
    shellcheck = shutil.which("shellcheck")
    need(shellcheck is not None, "shellcheck")
    done = subprocess.run(
        [str(shellcheck), REPOSITORY / "systemd/install"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
