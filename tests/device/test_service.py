"""The project on Debian 13 with systemd as PID 1, mosquitto, and the kernel's vivid camera."""

import json
import re

from tests.device.conftest import CONFIG, FILES, FLOW, INSTALL, INSTALL_S, configure, until_status
from tests.device.vm import Machine

SYSTEMD_S = 120.0


READER = "mosquitto_sub -c -i reader -q 1 -t hedgerow/lab/cam/event"
"""One whose session the broker keeps, on its disk."""


def main_pid(device: Machine) -> int:
    return int(device.run("systemctl show -P MainPID edge"))


def events(device: Machine, count: int, timeout_s: int = 240) -> list[int]:
    """The seq of the events that a reader of the feed gets."""
    said = device.run(
        f"timeout {timeout_s} mosquitto_sub -q 1 -C {count} -t hedgerow/lab/cam/event || true",
        timeout_s + 30.0,
    )
    return [json.loads(line)["seq"] for line in said.splitlines() if line.startswith("{")]


def test_install_start_and_the_first_label(device: Machine) -> None:
    assert device.run("systemctl is-active edge mosquitto").split() == ["active", "active"]
    until_status(device, "frames/s", "broker connected")
    configure(device, "[feed]\nobservations = true")
    text = device.run("timeout 120 mosquitto_sub -C 1 -t hedgerow/lab/cam/observation")
    seen = json.loads(text)
    assert seen["label"] in ("person", "no_person")
    assert until_status(device, "cam ", "frames/s", "broker connected")
    assert device.run("systemctl show -P NRestarts edge").strip() == "0"
    assert device.run("systemctl show -P User edge").strip() == "hedgerow"


def test_systemd_itself_finds_nothing_wrong(device: Machine) -> None:
    assert device.run("systemd-analyze verify /etc/systemd/system/edge.service") == ""
    found = re.search(r"exposure level.*: ([\d.]+)", device.run("systemd-analyze security edge"))
    assert found and float(found[1]) <= 2.0
    assert device.run("systemctl --failed --no-legend") == ""


def test_doctor_finds_the_camera_and_the_broker(device: Machine) -> None:
    device.run("systemctl stop edge")
    said = device.run(f"edge doctor --config {CONFIG}", check=False)
    if (
        "hangs: nothing for" in said
    ):  # the first start from a cold disk, emulated, on a busy machine
        said = device.run(f"edge doctor --config {CONFIG}", check=False)
    for line in ("source usb-0", "broker", "cpu", "permissions", "disk", "memory"):
        assert re.search(rf"^ok +{line}", said, re.MULTILINE), said
    assert "reproduces the golden vectors" in said


def test_a_wrong_file_is_refused_and_the_service_goes_on(device: Machine) -> None:
    pid = main_pid(device)
    device.run(f"echo 'fps = no' >> {CONFIG}")
    assert "failed" in device.run("systemctl reload edge 2>&1", check=False)
    assert "is not valid TOML" in device.run("journalctl -u edge -o cat -p err --no-pager")
    assert device.run("systemctl is-active edge").strip() == "active"
    assert main_pid(device) == pid


def test_a_service_that_hangs_is_restarted_and_its_events_survive(device: Machine) -> None:
    """SIGSTOP: not one thread runs. The broker is away, so all that was told is in the outbox."""
    device.run("mkdir -p /etc/systemd/system/edge.service.d")
    device.run("printf '[Service]\\nWatchdogSec=30\\n' > /etc/systemd/system/edge.service.d/w.conf")
    device.run("systemctl daemon-reload; systemctl restart edge")
    configure(device, FLOW)
    until_status(device, "cam ", "frames/s")
    device.run(f"timeout 240 {READER} -C 1")  # from now on the broker keeps them for it
    device.run("systemctl stop mosquitto")
    until_status(device, "broker away", "events wait")
    pid = main_pid(device)
    device.run(f"kill -STOP {pid}")
    device.wait(f"[ $(systemctl show -P MainPID edge) -ne {pid} ]", SYSTEMD_S)
    assert "watchdog" in device.run("journalctl -u edge -o cat --no-pager | grep -i watchdog")
    device.run("systemctl start mosquitto")
    lines = device.run(f"timeout 240 {READER} -C 40").splitlines()
    seqs = [json.loads(line)["seq"] for line in lines]
    assert seqs == list(range(seqs[0], seqs[0] + 40)), "in order, none missing"
    assert any(json.loads(line)["replayed"] for line in lines)


FREEZE = """
import ctypes, os, sys, time
pid = int(sys.argv[1])
threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
used = lambda t: int(open(f"/proc/{pid}/task/{t}/stat").read().rpartition(")")[2].split()[11])
busiest = max((t for t in threads if t != pid), key=used)
libc = ctypes.CDLL(None, use_errno=True)
for request in (0x4206, 0x4207):  # PTRACE_SEIZE, PTRACE_INTERRUPT
    if libc.ptrace(request, busiest, None, None):
        sys.exit(os.strerror(ctypes.get_errno()))
print("stopped", busiest, flush=True)
time.sleep(600)
"""


def test_one_frozen_thread_is_noticed_named_and_restarted(device: Machine) -> None:
    """The busiest thread is stopped, all others go on: only the stages' pulses can tell."""
    configure(device, "[health]\nstall_s = 15.0")
    until_status(device, "cam ", "frames/s")
    pid = main_pid(device)
    device.run(f"cat > /root/freeze.py <<'END'\n{FREEZE}END")
    device.run(f"systemd-run -q --unit=freeze python3 /root/freeze.py {pid}")
    device.wait(f"[ $(systemctl show -P MainPID edge) -ne {pid} ]", SYSTEMD_S)
    log = device.run("journalctl -u edge -o cat --no-pager")
    assert re.search(r"frozen: (capture of cam|inference) did not move for 15 s", log), log
    until_status(device, "cam ", "frames/s", "broker connected")


def test_a_disk_that_hangs_is_noticed_named_and_its_events_survive(device: Machine) -> None:
    """fsfreeze: whoever writes waits in the kernel, as on a dying SD card."""
    device.run(
        "systemctl stop edge; truncate -s 64M /root/card; mke2fs -q -t ext4 /root/card; "
        "mount -o loop /root/card /var/lib/hedgerow; systemctl start edge"
    )
    configure(device, FLOW + "[health]\nstall_s = 15.0")
    until_status(device, "cam ", "frames/s")
    first = events(device, 5)
    pid = main_pid(device)
    device.run("fsfreeze -f /var/lib/hedgerow")
    device.wait("journalctl -u edge -o cat | grep -q 'frozen: feed did not move'", SYSTEMD_S)
    device.run("fsfreeze -u /var/lib/hedgerow")
    device.wait(f"[ $(systemctl show -P MainPID edge) -ne {pid} ]", SYSTEMD_S)
    assert events(device, 5)[0] > first[-1]
    assert "damaged" not in device.run("ls /var/lib/hedgerow")


def test_a_camera_is_unplugged_and_plugged_in_again(device: Machine) -> None:
    """Unbound while it streams, it comes back as another /dev/videoN."""
    configure(device, "")
    until_status(device, "cam ", "frames/s")
    pid = main_pid(device)
    device.run("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind")
    until_status(device, "cam offline: v4l2:/dev/video0: there is no such camera")
    device.run("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind; ls /dev/video*")
    until_status(device, "cam ", "frames/s")
    device.run("cd /sys/bus/platform/drivers/vivid && echo vivid.0 > unbind && echo vivid.0 > bind")
    until_status(device, "cam ", "frames/s")
    assert main_pid(device) == pid, "it was no reason to restart"


def test_a_camera_that_sends_nothing_is_offline_and_comes_back(device: Machine) -> None:
    configure(device, "")
    until_status(device, "cam ", "frames/s")
    pid = main_pid(device)
    node = device.run("ls /dev/video* | head -1").strip()
    device.run(f"v4l2-ctl -d {node} --set-ctrl percentage_of_dropped_buffers=100")
    until_status(device, "cam offline")
    device.run(f"v4l2-ctl -d {node} --set-ctrl percentage_of_dropped_buffers=0")
    until_status(device, "cam ", "frames/s")
    assert main_pid(device) == pid


def test_uninstall_leaves_the_data_and_purge_nothing(device: Machine) -> None:
    configure(device, FLOW)
    events(device, 2)
    device.run("cd /root/hedgerow && ./systemd/install --uninstall")
    assert "edge.toml" in device.run("ls /etc/hedgerow")
    assert "outbox" in device.run("ls /var/lib/hedgerow")
    assert "could not be found" in device.run("systemctl status edge 2>&1", check=False)
    device.run("cd /root/hedgerow && ./systemd/install --purge")
    left = device.run(f"{FILES} > /root/after; comm -13 /root/before /root/after").splitlines()
    # The system's own: logs, what its first boot makes, backups of the user database.
    system = ("/var/log/", "/var/lib/systemd", "/var/lib/mosquitto", "/var/tmp/systemd", "/root/")
    boot = ("/etc/.updated", "/var/.updated", "/lost+found", "/var/cache/ldconfig", "/var/lib/dbus")
    backups = ("/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-")
    assert [path for path in left if not path.startswith((*system, *boot, *backups))] == []
    assert "hedgerow" not in device.run("cat /etc/passwd /etc/group")


def test_installing_again_changes_nothing(device: Machine) -> None:
    device.run(f"echo '# mine' >> {CONFIG}")
    before = device.run(f"sha256sum {CONFIG} /etc/systemd/system/edge.service; ls /opt/hedgerow")
    device.run(INSTALL, INSTALL_S)
    after = device.run(f"sha256sum {CONFIG} /etc/systemd/system/edge.service; ls /opt/hedgerow")
    assert after == before
    assert len(device.run("ls /opt/hedgerow/releases").split()) == 1
    until_status(device, "frames/s", "broker connected")
