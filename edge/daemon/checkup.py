"""A configuration on this machine -> findings: what is right, what is not, what to do."""

import os
import pwd
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.config import Config, MqttConfig, SourceConfig, ThermalConfig, state_dir
from edge.daemon.service import Service
from edge.errors import FatalError, HedgerowError
from edge.feed.access import SERVICE_PASSWORD, missing_password
from edge.feed.clock import kernel_synced
from edge.feed.mqtt import MqttClient
from edge.files import user_name, withheld
from edge.health import thermal
from edge.health.thermal import Heat
from edge.sources import open_source

SERVICE_USER = "hedgerow"
SERVICE_DATA = Path("/var/lib/hedgerow")
BROKER_S = 5.0
FULL_MB, NEARLY_FULL_MB = 100, 500
"""Free disk: below the first the outbox and the system itself are in danger."""
TIGHT_MB, SCARCE_MB = 100, 200
"""Free memory: the daemon takes about 90 MiB beside the cameras' processes of 60."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check-up."""

    level: Literal["ok", "warning", "error", "-"]
    what: str
    text: str
    """Where it is not ok, with what to do."""


def check_up(config: Config, service: Service | None = None) -> Iterator[Finding]:
    """Everything but the delegates; it takes as long as the cameras and the broker need.

    `service`: the configuration is the one of the installed service.
    """
    folder = config.outbox.folder or (SERVICE_DATA if service is not None else state_dir())
    for name, section in config.source.items():
        yield _camera(name, section, service or Service())
    yield from _permissions(config)
    yield from writable(folder, service is not None)
    if advice := missing_password(config.mqtt):
        yield Finding("warning", "password", advice)
    if not config.mqtt.broker.startswith("embedded"):
        yield _broker(config.mqtt)
    yield _clock(kernel_synced())
    yield disk(folder, _free_mb(folder))
    yield memory(Path("/proc/meminfo").read_text(encoding="ascii"))
    yield heat(thermal.read(), config.thermal)


def _camera(name: str, section: SourceConfig, service: Service) -> Finding:
    """One frame of it."""
    what = f"source {name}"
    began_s = time.monotonic()
    try:
        source = open_source(section)
        try:
            frame = next(iter(source), None)
        finally:
            source.stop()
    except HedgerowError as error:
        if not (reads := service.reads(name)):
            return Finding("error", what, str(error))
        if "in use" in str(error):
            return Finding("ok", what, f"the service reads it: {reads}")
        return Finding("warning", what, f"{error}; the service, as it was started, reads {reads}")
    if frame is None:
        return Finding("error", what, "gives no frame")
    height, width = frame.image.shape[:2]
    took_s = time.monotonic() - began_s
    return Finding("ok", what, f"{width} x {height}, the first frame after {took_s:.1f} s")


def _permissions(config: Config) -> Iterator[Finding]:
    user = _service_user()
    if user is not None:
        missing = [name for name in ("video", "render") if not _is_member(user, name)]
        advice = "; ".join(f"sudo usermod -aG {name} {SERVICE_USER}" for name in missing)
        yield (
            Finding("warning", "permissions", advice)
            if missing
            else Finding("ok", "permissions", f"{SERVICE_USER} may use cameras and accelerators")
        )
        for path in (config.model.path, config.file.path, config.record.folder):
            if path is not None and path.absolute().is_relative_to("/home"):
                yield Finding("error", "permissions", f"the service does not see {path}: move it")
    cameras = (section.password_file for section in config.source.values())
    for path in (config.mqtt.password_file, SERVICE_PASSWORD, *cameras):
        if path is not None and os.access(path, os.F_OK) and path.stat().st_mode & stat.S_IROTH:
            yield Finding("warning", "permissions", f"anybody may read {path}: chmod 600 {path}")


def writable(folder: Path, service: bool) -> Iterator[Finding]:
    """Whether the service, or else this user, may write what must outlast a restart."""
    if service and user_name(os.geteuid()) not in (SERVICE_USER, "root"):
        yield Finding("-", "permissions", f"of {folder}: only root can look: sudo edge doctor")
        return
    there = _nearest(folder)
    if why := withheld(there, write=True):
        yield Finding("error", "permissions", f"{there}: {why}; events would be lost")
    elif there == folder:
        for path in sorted(folder.iterdir()):
            if why := withheld(path, write=True):
                yield Finding("error", "permissions", f"{path}: {why}")


def _broker(config: MqttConfig) -> Finding:
    if config.password_file is None and os.access(SERVICE_PASSWORD, os.R_OK):
        config = config.model_copy(update={"password_file": SERVICE_PASSWORD})
    try:
        with MqttClient(config, f"hedgerow-doctor-{os.getpid()}") as client:
            until_s = time.monotonic() + BROKER_S
            while not client.connected.wait(0.1) and time.monotonic() < until_s:
                client.check()
            if client.connected.is_set():
                who = f" as {config.username}" if config.username else ""
                return Finding("ok", "broker", f"{client.address} connected{who}")
    except FatalError as error:
        return Finding("error", "broker", str(error))
    advice = "does it run? sudo apt install mosquitto, or set mqtt.broker"
    return Finding("error", "broker", f"{config.broker} does not answer; {advice}")


def _clock(synced: bool) -> Finding:
    if synced:
        return Finding("ok", "clock", "is synced")
    advice = "sudo timedatectl set-ntp true; until then events are marked as not synced"
    return Finding("warning", "clock", f"is not synced: {advice}")


def disk(folder: Path, free_mb: float) -> Finding:
    """What is left for the outbox."""
    text = f"{free_mb:.0f} MB free for {folder}"
    if free_mb < FULL_MB:
        return Finding("error", "disk", f"{text}: make room, or events are kept in memory only")
    if free_mb < NEARLY_FULL_MB:
        return Finding("warning", "disk", f"{text}: make room, or lower outbox.max_bytes")
    return Finding("ok", "disk", text)


def memory(meminfo: str) -> Finding:
    """`meminfo` is the text of /proc/meminfo."""
    pairs = (line.split() for line in meminfo.splitlines() if line.startswith("MemAvailable"))
    free_mb = next((int(pair[1]) / 1024 for pair in pairs), 0.0)
    text = f"{free_mb:.0f} MB available"
    if free_mb < TIGHT_MB:
        return Finding("error", "memory", f"{text}: too little; stop what else runs here")
    if free_mb < SCARCE_MB:
        return Finding("warning", "memory", f"{text}: tight for more than one camera")
    return Finding("ok", "memory", text)


def heat(found: Heat, config: ThermalConfig) -> Finding:
    """Temperature, and what the firmware says of it and of the power supply."""
    text = "unknown" if found.temperature_c is None else f"{found.temperature_c:.0f} °C"
    if "under_voltage" in found.flags:
        return Finding("error", "power", "under voltage: use the board's own power supply")
    if found.flags:
        flags = ", ".join(found.flags).replace("_", " ")
        return Finding("warning", "temperature", f"{text}, {flags}: cool it")
    if (share := thermal.share(found, config)) < 1.0:
        kept = f"only {share:.0%} of the frames are looked at"
        return Finding("warning", "temperature", f"{text}: {kept}: cool it")
    return Finding("ok", "temperature", text)


def _nearest(folder: Path) -> Path:
    """The folder, or the first above it that is there as far as this user can see."""
    above = (folder, *folder.absolute().parents)
    return next(path for path in above if os.access(path, os.F_OK))


def _free_mb(folder: Path) -> float:
    there = _nearest(folder)
    return shutil.disk_usage(there).free / 1e6


def _service_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None


def _is_member(user: pwd.struct_passwd, group: str) -> bool:
    import grp

    try:
        return grp.getgrnam(group).gr_gid in os.getgrouplist(user.pw_name, user.pw_gid)
    except KeyError:
        return True  # a group that is not here guards nothing
