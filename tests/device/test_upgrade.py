"""From one release to the next by the same command, and back where the next does not run."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import REPOSITORY, need
from tests.device.conftest import CONFIG, INSTALL, INSTALL_S, bundle, installed
from tests.device.vm import Machine


def previous(folder: Path) -> Path:
    """The commit before this one, unpacked."""
    archive = folder / "previous.tar"
    command = ["git", "-C", str(REPOSITORY), "archive", "-o", str(archive), "HEAD~1"]
    done = subprocess.run(command, check=False)
    need(done.returncode == 0, "the commit before this one")
    tree = folder / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-C", tree, "-xf", archive], check=True)
    return tree


def test_upgrade_keeps_configuration_and_events(tmp_path: Path) -> None:
    old = installed("amd64", previous(tmp_path), tmp_path / "old")
    bundle(REPOSITORY, tmp_path / "new")
    with Machine(*old) as machine:
        machine.run(f"echo '# mine' >> {CONFIG}")
        before = machine.run(f"sha256sum {CONFIG}; readlink -f /opt/hedgerow/current")
        machine.run("rm -rf /root/hedgerow")
        machine.push(tmp_path / "new/hedgerow", "/root")
        machine.run(INSTALL, INSTALL_S)
        after = machine.run(f"sha256sum {CONFIG}; readlink -f /opt/hedgerow/current")
        assert after.splitlines()[0] == before.splitlines()[0], "the configuration is kept"
        assert after.splitlines()[1] != before.splitlines()[1]
        assert len(machine.run("ls /opt/hedgerow/releases").split()) == 1
        machine.wait("systemctl show -P StatusText edge | grep -q frames/s")
        unit = machine.run("cat /etc/systemd/system/edge.service")
        assert unit == (REPOSITORY / "systemd/edge.service").read_text()
        assert "outbox" in machine.run("ls /var/lib/hedgerow")


def broken(folder: Path) -> Path:
    """The bundle of a release that checks everything well and ends as soon as it runs."""
    tree = folder / "broken"
    ignored = shutil.ignore_patterns(".venv", "build", ".git", "tests", "__pycache__")
    shutil.copytree(REPOSITORY, tree, ignore=ignored)
    command = tree / "edge/cli/run.py"
    begin = "    level = logging.DEBUG"
    text = command.read_text()
    assert begin in text
    command.write_text(text.replace(begin, f"    raise SystemExit(1)\n{begin}"))
    bundle(tree, folder / "out")
    return folder / "out/hedgerow"


RUNS = f"readlink -f /opt/hedgerow/current; sha256sum {CONFIG} /etc/systemd/system/edge*.service"


def test_a_release_that_does_not_stay_up_gives_way_to_the_one_before(
    device: Machine, tmp_path: Path
) -> None:
    before = device.run(RUNS)
    device.run("rm -rf /root/hedgerow")
    device.push(broken(tmp_path), "/root")
    said = device.run(f"{INSTALL}; echo rc=$?", INSTALL_S)
    assert "the new version does not stay up, the old one runs again: journalctl -u edge" in said
    assert "rc=1" in said
    assert device.run(RUNS) == before
    device.wait("systemctl show -P StatusText edge | grep -q frames/s")
    assert len(device.run("ls /opt/hedgerow/releases").split()) == 1
    assert device.run("ls /opt/hedgerow").split() == ["current", "releases"]


def test_the_power_goes_while_a_new_release_is_watched_and_it_does_not_run(
    device: Machine, tmp_path: Path
) -> None:
    """systemd itself goes back to the one before."""
    before = device.run(RUNS)
    release = before.splitlines()[0]
    device.run("rm -rf /root/hedgerow")
    device.push(broken(tmp_path), "/root")
    slow = INSTALL.replace("PIP_NO_INDEX", "HEDGEROW_HEALTHY_S=600 PIP_NO_INDEX")
    # The first start is slow: the power goes before anybody has judged it.
    device.run(
        "mkdir -p /run/systemd/system/edge.service.d;"
        " printf '[Service]\\nExecStartPre=/bin/sleep 99'"
        " > /run/systemd/system/edge.service.d/slow.conf"
    )
    device.run(f"setsid sh -c '{slow}' >/root/log 2>&1 </dev/null &")
    device.wait(f"test $(readlink -f /opt/hedgerow/current) != {release}", INSTALL_S)
    device.power_cut()
    device.start()
    device.wait(f"test $(readlink -f /opt/hedgerow/current) = {release}")
    device.wait("systemctl show -P StatusText edge | grep -q frames/s")
    assert device.run(RUNS) == before
