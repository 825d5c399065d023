"""Throw-away Debian machines in QEMU, from a disk that build-image made.

    freeze(folder, name, lambda machine: ...)      # boots NAME.raw, keeps memory and disk
    with Machine(folder, name) as machine:         # goes on from there in seconds
        machine.run("systemctl is-system-running")
        machine.power_cut(); machine.start()       # the same disk, booted again

Commands go through the guest agent: no network, no ssh, no keys.
"""

import base64
import io
import json
import math
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

QEMU = {
    "amd64": (("qemu-system-x86_64", "-M", "q35", "-cpu", "max"), "ttyS0"),
    # A Raspberry Pi 5's; "max" emulates pointer authentication, which takes twice the time.
    "arm64": (
        ("qemu-system-aarch64", "-M", "virt,gic-version=3", "-cpu", "cortex-a76"),
        "ttyAMA0",
    ),
}
QUIET = "quiet systemd.show_status=0 apparmor=0 selinux=0 audit=0 mitigations=off panic=-1"
MEMORY_MIB = 1536
BROKER = "10.0.2.100:1883"
BOOT_S = 600.0
AGENT_S = 120.0
CHUNK = 1 << 20


class Gone(RuntimeError):  # noqa: N818
    """The machine, or its agent, does not answer."""


class Machine:
    """One virtual machine with a disk of its own."""

    def __init__(self, folder: Path, name: str, broker_port: int = 0) -> None:
        """It goes on from what `freeze` kept as `name`; where nothing is kept, NAME.raw boots.

        With `broker_port` it boots from the kept disk, and 10.0.2.100:1883 is that port of this
        machine's loopback: a broker that outlives power cuts. It reaches nothing else.
        """
        self.image = folder
        kept = (folder / f"{name}.state").exists()
        self._state = name if kept and not broker_port else ""
        self._broker_port = broker_port
        self.folder = Path(tempfile.mkdtemp(prefix="hedgerow-lab-"))
        self._process: subprocess.Popen[bytes] | None = None
        base, kind = (f"{name}.qcow2", "qcow2") if kept else (f"{name}.raw", "raw")
        self.disk = self.folder / "disk.qcow2"
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(folder / base), "-F", kind]
        subprocess.run([*command, str(self.disk)], check=True)

    def __enter__(self) -> "Machine":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Power on: the frozen state goes on the first time, afterwards the disk boots."""
        state, self._state = self._state, ""
        command = self._command()
        if state:
            command += ["-incoming", f"exec:cat {self.image / state}.state"]
        with (self.folder / "qemu.err").open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=errors, start_new_session=True
            )
        if state:
            self._wake()
        self._wait_for_agent()
        if state:  # it woke up in its own past
            self.run(f"date -s @{time.time():.2f}")

    def _command(self) -> list[str]:
        machine, tty = QEMU[self.image.name]
        network: list[str] = []
        if self._broker_port:
            relay = f"socat - TCP:127.0.0.1:{self._broker_port}"  # one for each connection
            there = f"guestfwd=tcp:{BROKER}-cmd:{relay}"
            network = ["-netdev", f"user,id=n0,restrict=on,{there}"]
            network += ["-device", "virtio-net-pci,netdev=n0,romfile="]
        here, drive = self.folder, f"file={self.disk},if=none,id=d0,format=qcow2,discard=unmap"
        return [
            *machine, "-accel", "tcg,thread=multi", "-smp", "2", "-m", f"{MEMORY_MIB}",
            "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", f"{self.image}/vmlinuz", "-initrd", f"{self.image}/initrd",
            "-append", f"root=/dev/vda rw console={tty} {QUIET}",
            "-drive", drive, "-device", "virtio-blk-pci,drive=d0", "-device", "virtio-rng-pci",
            "-chardev", f"socket,id=ga,path={here}/agent,server=on,wait=off",
            "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=ga,name=org.qemu.guest_agent.0",
            "-serial", f"file:{here}/console", "-qmp", f"unix:{here}/qmp,server=on,wait=off",
            *network,
        ]  # fmt: skip

    def power_cut(self) -> None:
        """SIGKILL: what the guest had not flushed to its disk is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.power_cut()
        shutil.rmtree(self.folder, ignore_errors=True)

    def console(self) -> str:
        """What the guest wrote to its serial port since it was started."""
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, command: str, timeout_s: float = 300.0, check: bool = True) -> str:
        """A shell command as root; its output. Raises RuntimeError where it fails."""
        asked = {"path": "/bin/sh", "arg": ["-c", command], "capture-output": True}
        pid = self._agent("guest-exec", asked)["pid"]
        until_s = time.monotonic() + timeout_s
        while not (answer := self._agent("guest-exec-status", {"pid": pid}))["exited"]:
            if time.monotonic() > until_s:
                raise Gone(f"{command!r} takes longer than {timeout_s:g} s")
            time.sleep(0.1)
        said = [base64.b64decode(answer.get(k, "")).decode() for k in ("out-data", "err-data")]
        if check and answer.get("exitcode", 1):
            raise RuntimeError(
                f"{command!r} gave {answer.get('exitcode')}: {''.join(said)[-4000:]}"
            )
        return "".join(said)

    def wait(self, command: str, timeout_s: float = 300.0) -> str:
        """Until the command succeeds; its output."""
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                return self.run(command)
            except RuntimeError as error:
                self._check_alive()
                if time.monotonic() > until_s:
                    raise Gone(f"not within {timeout_s:g} s: {error}") from None
            time.sleep(0.5)

    def push(self, path: Path, folder: str) -> None:
        """Copy a file or a tree into a folder of the guest."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(path, arcname=path.name)
        handle = self._agent("guest-file-open", {"path": "/run/pushed.tar", "mode": "wb"})
        data = packed.getvalue()
        for start in range(0, len(data), CHUNK):
            text = base64.b64encode(data[start : start + CHUNK]).decode()
            self._agent("guest-file-write", {"handle": handle, "buf-b64": text})
        self._agent("guest-file-close", {"handle": handle})
        unpack = f"tar -C {folder} --no-same-owner -xf /run/pushed.tar && rm /run/pushed.tar"
        self.run(f"mkdir -p {folder} && {unpack}")

    def keep(self, name: str) -> None:
        """Write memory and disk as `name` beside the image, and end."""
        self.run("sync; echo 3 > /proc/sys/vm/drop_caches")
        # Stopped first: kept while it ran, one in a dozen had an old page among new ones, and its
        # kernel died when it woke up.
        self._qmp("stop", {})
        part = self.image / f"{name}.state.part"
        self._qmp("migrate-set-parameters", {"max-bandwidth": 1 << 33})
        self._qmp("migrate", {"uri": f"exec:cat > {part}"})
        while (how := self._qmp("query-migrate", {}).get("status")) not in ("completed", "failed"):
            time.sleep(0.2)
        if how == "failed":
            raise Gone("the state cannot be saved")
        self.power_cut()  # stopped and flushed by the migration: nothing to lose
        shutil.move(self.disk, self.image / f"{name}.qcow2")
        part.rename(self.image / f"{name}.state")

    def _wake(self) -> None:
        """Wait for the frozen state to be read, and let it go on."""
        until_s = time.monotonic() + BOOT_S
        while True:
            self._check_alive(until_s)
            with suppress(OSError, ValueError):  # not listening yet, or just ended
                if self._qmp("query-status", {})["status"] != "inmigrate":
                    self._qmp("cont", {})
                    return
            time.sleep(0.1)

    def _wait_for_agent(self) -> None:
        until_s = time.monotonic() + BOOT_S
        while True:
            self._check_alive(until_s)
            with suppress(OSError, ValueError, Gone):
                self._talk("guest-ping", {}, timeout_s=3)
                return
            time.sleep(0.3)

    def _check_alive(self, until_s: float = math.inf) -> None:
        """Raises Gone with all that is known, where QEMU has ended or the time is over."""
        assert self._process is not None
        ended = self._process.poll()
        if ended is None and time.monotonic() < until_s:
            return
        why = "no agent" if ended is None else f"QEMU ended with {ended}"
        said = (self.folder / "qemu.err").read_text(errors="replace")[-1000:] or "nothing"
        raise Gone(f"{why}; it said: {said}\nthe guest's console: {self.console()[-3000:]}")

    def _agent(self, command: str, arguments: dict[str, Any]) -> Any:
        assert self._process is not None
        try:
            return self._talk(command, arguments, AGENT_S)
        except (OSError, ValueError, Gone):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)  # it may be about to end
            self._check_alive()
            raise

    def _talk(self, command: str, arguments: dict[str, Any], timeout_s: float) -> Any:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(timeout_s)
            line.connect(str(self.folder / "agent"))
            stream = line.makefile("rwb")
            tag = time.monotonic_ns() & 0x7FFFFFFF
            stream.write(b"\xff" + _asked("guest-sync-delimited", {"id": tag}))
            stream.flush()
            while True:  # skip what an earlier, broken talk left behind
                text = stream.readline().lstrip(b"\xff")
                if not text:
                    raise Gone("the agent hung up")
                if text.startswith(b"{") and json.loads(text).get("return") == tag:
                    break
            stream.write(_asked(command, arguments))
            stream.flush()
            return _answer(command, stream.readline())

    def _qmp(self, command: str, arguments: dict[str, Any]) -> Any:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(120)
            line.connect(str(self.folder / "qmp"))
            stream = line.makefile("rwb")
            stream.readline()
            answer: Any = None
            for name, given in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(_asked(name, given))
                stream.flush()
                while b'"event"' in (text := stream.readline()):
                    pass
                answer = _answer(name, text)
            return answer


def freeze(folder: Path, name: str, prepare: Callable[[Machine], object]) -> None:
    """Boot NAME.raw, prepare, keep memory and disk."""
    with Machine(folder, name) as machine:
        machine.run("systemctl is-system-running --wait", timeout_s=BOOT_S, check=False)
        prepare(machine)
        machine.keep(name)


def _asked(command: str, arguments: dict[str, Any]) -> bytes:
    return json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"


def _answer(command: str, text: bytes) -> Any:
    said = json.loads(text)
    if "error" in said:
        raise Gone(f"{command}: {said['error']['desc']}")
    return said["return"]
