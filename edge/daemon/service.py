"""What the installed service says of itself: what it holds, others find busy."""

import re
import shutil
import subprocess
from dataclasses import dataclass

ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Service:
    """Its status line, as `systemctl status` shows it; empty: it does not run."""

    line: str = ""

    def reads(self, source: str) -> str:
        """How fast it reads that source; empty: it does not."""
        found = re.search(rf"(?:^|; ){re.escape(source)} ([\d.]+ frames/s)(?:;|$)", self.line)
        return found[1] if found else ""

    @property
    def first_delegate(self) -> bool:
        """Whether it runs on the delegate that it was asked to use first."""
        return bool(self.line) and " instead of " not in self.line


def ask() -> Service:
    """The service of this machine."""
    program = shutil.which("systemctl")
    if program is None:
        return Service()
    command = [program, "show", "-P", "StatusText", "edge.service"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, encoding="utf-8", timeout=ASK_S, check=False
        )
    except (subprocess.TimeoutExpired, UnicodeDecodeError):
        return Service()
    return Service(done.stdout.strip())
