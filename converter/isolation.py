"""The process that reads a model file -> the same process without a network.

A model file is somebody else's; with `--trust-model-code` or a hole in Keras its code runs here.
"""

import ctypes
import os
import sys
from pathlib import Path

NEW_USER = 0x10000000
NEW_NETWORK = 0x40000000
"""CLONE_NEWUSER and CLONE_NEWNET of linux/sched.h."""


def leave_network() -> bool:
    """Move this process into a network namespace with nothing in it; False where the system does
    not permit that (not Linux, unprivileged user namespaces switched off).

    Call it before any thread is started.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NETWORK) == 0:  # root may
        return True
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(NEW_USER | NEW_NETWORK) != 0:
        return False
    try:
        for name, line in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            Path("/proc/self", name).write_text(line)
    except OSError:  # files are still ours by number; only names are lost
        pass
    return True
