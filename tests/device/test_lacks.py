"""What the installed service lacks is said by name, and it works once that is put right."""

import re

from tests.device.conftest import CONFIG, configure, until_status
from tests.device.vm import Machine

PASSWORD = "/etc/hedgerow/mqtt-password"
DATA = "/var/lib/hedgerow"
SAID = "journalctl -u edge -b -o cat --no-pager -n 40"


def ends_with_78(device: Machine) -> str:
    """Once the service has given up; the log."""
    device.wait("systemctl is-failed edge")
    assert device.run("systemctl show -P ExecMainStatus edge").strip() == "78"
    assert device.run("systemctl show -P NRestarts edge").strip() == "0"
    return device.run(SAID)


def test_without_a_password_file_it_runs_and_says_what_a_broker_misses(device: Machine) -> None:
    device.run(f"rm {PASSWORD}; systemctl restart edge")
    until_status(device, "broker connected")
    device.run(
        "printf 'listener 1883 127.0.0.1\\npassword_file /etc/mosquitto/users\\n'"
        " > /etc/mosquitto/conf.d/lab.conf; touch /etc/mosquitto/users;"
        " mosquitto_passwd -b /etc/mosquitto/users edge hunter2; chmod 644 /etc/mosquitto/users;"
        f" systemctl restart mosquitto; printf '[mqtt]\\nusername = \"edge\"\\n' >> {CONFIG};"
        " systemctl restart edge",
        check=False,
    )
    said = ends_with_78(device)
    assert f"'edge' has no password: write it into {PASSWORD} (the service's)" in said
    assert "it refuses the user name or password" in said
    device.run(f"install -m600 /dev/null {PASSWORD}; echo hunter2 > {PASSWORD}")
    device.run("systemctl start edge")
    until_status(device, "frames/s", "broker connected")


def test_a_configuration_of_roots_own_is_named(device: Machine) -> None:
    device.run(f"chmod 600 {CONFIG}; systemctl restart edge", check=False)
    said = ends_with_78(device)
    denied = f"{CONFIG}: cannot be read: it belongs to root, and hedgerow may not read it"
    assert denied in said
    assert denied in device.run(f"edge check --config {CONFIG} 2>&1", check=False)
    advice = re.search(r"sudo (chgrp \S+ \S+) && sudo (chmod \S+ \S+)", said)
    assert advice
    device.run(f"{advice[1]} && {advice[2]} && systemctl start edge")
    until_status(device, "frames/s")


def test_an_outbox_of_roots_is_named_and_used_again_without_a_restart(device: Machine) -> None:
    configure(device, "")
    until_status(device, "cam ", "frames/s")
    device.run(f"systemctl stop edge; chown root: {DATA}/lab.outbox; systemctl start edge")
    line = until_status(device, "events are not durable")
    assert f"{DATA}/lab.outbox: it belongs to root, and hedgerow may not write it" in line
    said = device.run("edge doctor", check=False)
    assert f"sudo chown hedgerow: {DATA}/lab.outbox" in said
    assert re.search(r"^ok +source cam +the service reads it: [\d.]+ frames/s", said, re.MULTILINE)
    device.run(f"chown hedgerow: {DATA}/lab.outbox")
    device.wait("! systemctl show -P StatusText edge | grep -q durable")
    assert "belongs to root" not in device.run("edge doctor", check=False)
