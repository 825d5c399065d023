"""From the previous commit's package to this one, by the same command."""

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
