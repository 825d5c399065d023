"""This machine's name, and the folder where it keeps what must outlast a restart."""

import logging
import os
import re
import socket
import tempfile
from functools import cache
from pathlib import Path

from edge.errors import FatalError

log = logging.getLogger(__name__)


def default_device() -> str:
    """This machine's host name as an id."""
    name = re.sub(r"[^a-z0-9_-]+", "-", socket.gethostname().split(".")[0].lower())
    return name.strip("-")[:64] or "edge"


def state_dir() -> Path:
    """Where this machine keeps what must outlast a restart: systemd's StateDirectory, else the
    user's own. Raises FatalError where there is neither."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    try:
        return Path("~/.local/state/hedgerow").expanduser()
    except RuntimeError:
        return _homeless()


@cache
def _homeless() -> Path:
    """A user without a home, as in a container: a folder of its own that lasts until the boot."""
    folder = Path(tempfile.gettempdir()) / f"hedgerow-{os.getuid()}"
    keys = "set outbox.folder, runtime.state_dir and record.folder, or STATE_DIRECTORY"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        ours = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
    except OSError:
        ours = False
    if not ours:
        raise FatalError(f"this user has no home, and {folder} is not ours to write: {keys}")
    log.warning(
        "this user has no home: %s is used, which may be gone at a reboot: %s", folder, keys
    )
    return folder
