"""systemd/edge.service, judged by systemd's own tools."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.conftest import REPOSITORY, need

SERVICE = REPOSITORY / "systemd/edge.service"
EXPOSURE = 2.0


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    need(program is not None, "systemd-analyze (apt install systemd)")
    return subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_every_key_is_known(tmp_path: Path) -> None:
    """It exits with 0 on unknown keys: what counts is that it says nothing."""
    unit = tmp_path / "edge.service"
    unit.write_text(SERVICE.read_text().replace("/opt/hedgerow/current/bin/edge", "/bin/true"))
    done = analyze("verify", unit)
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
