"""What a process and its children use, read from /proc."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of a process and all its descendants at one moment."""

    cpu_s: float
    """Of those that live, since they began."""
    memory_mib: float
    """Shared pages count once (PSS): it grows, too, when others who share a library end."""
    own_mib: float
    """Of that, what no library's file holds: heaps and frames."""
    threads: int
    descriptors: int


def usage(pid: int) -> Usage:
    """Processes that end meanwhile count as nothing."""
    cpu_s = memory = own = threads = descriptors = 0.0
    for one in [pid, *descendants(pid)]:
        proc = Path("/proc") / str(one)
        try:
            fields = (proc / "stat").read_text().rpartition(")")[2].split()
            rollup = (proc / "smaps_rollup").read_text().splitlines()[1:]
            kib = {
                key: int(value.split()[0]) for key, _, value in (r.partition(":") for r in rollup)
            }
            memory += kib["Pss"]
            own += kib["Pss_Anon"] + kib["Pss_Shmem"]
            descriptors += sum(1 for _ in (proc / "fd").iterdir())
        except (OSError, KeyError):
            continue
        cpu_s += (int(fields[11]) + int(fields[12])) / TICKS
        threads += int(fields[17])
    return Usage(cpu_s, memory / 1024, own / 1024, int(threads), int(descriptors))


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def running(module: str, parent: int | None = None) -> list[int]:
    """Descendants that run this module; those that end meanwhile are none."""
    found = []
    for child in descendants(parent or os.getpid()):
        with suppress(OSError):
            if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found
