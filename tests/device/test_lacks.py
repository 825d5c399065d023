"""Under systemd: what the service lacks is said by name, and it works once that is put right; a
release that does not stay up gives way to the one before."""

import re
from collections.abc import Iterator

import pytest

from tests.device.booted import Booted, booted
from tests.device.roots import INSTALLER, debian

TOML = "/etc/hedgerow/edge.toml"
DATA = "/var/lib/hedgerow"
STATUS = "systemctl show -P StatusText edge"
RUNS = f"readlink -f /opt/hedgerow/current; sha256sum {TOML} /etc/systemd/system/edge*.service"
HEALTHY = INSTALLER.replace("PIP_NO_INDEX", "HEDGEROW_HEALTHY_S=3 PIP_NO_INDEX")
BROKEN = f"{HEALTHY.format(version='0.2.0')} *.whl"


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Release 0.1.0 runs; edge of 0.2.0 passes every check and ends as soon as it runs."""
    folder = tmp_path_factory.mktemp("booted") / "root"
    folder.mkdir()
    harm = ("    level = logging.DEBUG", "    raise SystemExit(1)\n    level = logging.DEBUG")
    debian(folder, tmp_path_factory.mktemp("scratch"), harm)
    with booted(folder) as made:
        made.run(f"{HEALTHY.format(version='0.1.0')} *.whl")
        yield made


def ends_with_78(device: Booted) -> str:
    """Once the service has given up; its last lines."""
    device.wait("systemctl is-failed edge")
    assert device.run("systemctl show -P ExecMainStatus edge").strip() == "78"
    assert device.run("systemctl show -P NRestarts edge").strip() == "0"
    return device.run("journalctl -u edge -o cat --no-pager -n 5")


def test_without_a_password_file_it_runs(device: Booted) -> None:
    device.run("rm /etc/hedgerow/mqtt-password; systemctl restart edge")
    device.wait(f"{STATUS} | grep 'broker away'")
    assert device.run("systemctl show -P NRestarts edge").strip() == "0"


def test_a_configuration_that_only_root_may_read_is_named(device: Booted) -> None:
    device.run(f"chmod 600 {TOML}; systemctl restart edge", check=False)
    denied = f"{TOML}: cannot be read: it belongs to root, and hedgerow may not read it: "
    said = ends_with_78(device)
    assert denied in said
    assert denied in device.run(f"edge check --config {TOML}", check=False)
    advice = re.search(r"sudo (chgrp \S+ \S+) && sudo (chmod \S+ \S+)", said)
    assert advice
    device.run(f"{advice[1]} && {advice[2]} && systemctl start edge")
    device.wait(f"{STATUS} | grep 'broker away'")


def test_an_outbox_of_roots_is_named_and_used_again_without_a_restart(device: Booted) -> None:
    device.run(f"systemctl stop edge; chown root: {DATA}/*.outbox; systemctl start edge")
    denied = ".outbox: it belongs to root, and hedgerow may not write it: sudo chown hedgerow: "
    device.wait(f"{STATUS} | grep -F '{denied}'")
    assert denied in device.run("edge doctor", check=False)
    device.run(f"chown hedgerow: {DATA}/*.outbox")
    device.wait(f"! {STATUS} | grep durable")
    assert "belongs to root" not in device.run("edge doctor", check=False)


def test_what_is_put_right_starts_however_often_it_failed(device: Booted) -> None:
    device.run(f"cp {TOML} /root/right; echo x >> {TOML}")
    device.run("for i in 1 2 3 4 5 6; do systemctl restart edge; done", check=False)
    assert "line " in ends_with_78(device)
    device.run(f"cp /root/right {TOML}; systemctl start edge")
    device.wait(f"{STATUS} | grep 'broker away'")


def test_a_release_that_does_not_stay_up_gives_way_to_the_one_before(device: Booted) -> None:
    before = device.run(RUNS)
    said = device.run(f"({BROKEN}); echo rc=$?")
    assert "the new version does not stay up, the old one runs again: journalctl -u edge" in said
    assert "rc=1" in said
    assert device.run(RUNS) == before
    device.wait("systemctl is-active edge")
    assert device.run("ls /opt/hedgerow").split() == ["current", "releases"]
    assert len(device.run("ls /opt/hedgerow/releases").split()) == 1


def test_the_power_goes_while_such_a_release_is_watched(device: Booted) -> None:
    """systemd itself goes back to the one before; the next run leaves nothing."""
    before = device.run(RUNS)
    release = before.splitlines()[0]
    # The first start is slow: the power goes before anybody has judged it.
    folder = "/run/systemd/system/edge.service.d"
    device.run(
        f"mkdir -p {folder}; printf '[Service]\\nExecStartPre=/bin/sleep 99' > {folder}/s.conf"
    )
    process = device.start(BROKEN)
    device.wait(f"test $(readlink -f /opt/hedgerow/current) != {release}")
    device.power_cut()
    process.communicate()
    device.boot()
    device.wait(f"test $(readlink -f /opt/hedgerow/current) = {release}")
    device.wait("systemctl is-active edge")
    assert device.run(RUNS) == before
    device.run(f"{HEALTHY.format(version='0.1.0')} *.whl")
    assert device.run("ls /opt/hedgerow").split() == ["current", "releases"]
    assert len(device.run("ls /opt/hedgerow/releases").split()) == 1
