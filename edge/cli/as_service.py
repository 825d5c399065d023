"""Root looks at the service's configuration: what the service's own user finds is what counts."""

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

INSTALLED = Path("/etc/hedgerow/edge.toml")
PASSWORD = Path("/etc/hedgerow/mqtt-password")
USER = "hedgerow"
DATA = "/var/lib/hedgerow"


def status_of(command: Sequence[str], config: Path | None) -> int | None:
    """Runs `edge COMMAND` as the service runs: its user, folder and credentials; its exit status.

    None: it is not root who asks, not about the service, or that user cannot run this program.
    """
    if os.geteuid() != 0 or config is None or config.absolute() != INSTALLED:
        return None
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return None
    return as_user(user, command)


def as_user(user: pwd.struct_passwd, command: Sequence[str]) -> int | None:
    """The same for any user."""
    # -P: root may stand in a clone, whose modules are not those of the service.
    program = [sys.executable, "-P", "-m", "edge", *command]
    memory = "/run" if os.access("/run", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hedgerow-credentials.", dir=memory) as folder:
        told = {"CREDENTIALS_DIRECTORY": folder, "STATE_DIRECTORY": DATA, "PYTHONNOUSERSITE": "1"}
        _hand_over(Path(folder), user)
        try:
            return subprocess.run(  # noqa: S603
                program,
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=os.getgrouplist(user.pw_name, user.pw_gid),
                cwd="/",
                env={k: v for k, v in os.environ.items() if k != "HOME"} | told,
                check=False,
            ).returncode
        except PermissionError:
            return None


def _hand_over(folder: Path, user: pwd.struct_passwd) -> None:
    """The broker's password, as systemd does it."""
    if PASSWORD.exists():
        copy = folder / PASSWORD.name
        copy.touch(mode=0o600)
        copy.write_bytes(PASSWORD.read_bytes())
        os.chown(copy, user.pw_uid, user.pw_gid)
    os.chown(folder, user.pw_uid, user.pw_gid)
