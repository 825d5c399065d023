"""V4L2 devices by what they are, not by a number that changes with the order of plugging in."""

import grp
import os
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import TransientError
from edge.seldom import Seldom

CLASS = Path("/sys/class/video4linux")


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same when a camera is unplugged and plugged in again."""

    name: str
    """What the driver calls it."""
    index: str
    """Which of the device's nodes: a webcam has one for frames, one for metadata."""
    serial: str
    """USB's; empty where the maker saved it."""
    place: str
    """Where in the machine it is plugged in."""

    def is_now(self, other: "Identity | None") -> bool:
        """By its serial number; without one, two cameras of a kind differ by their sockets."""
        if other is None or (self.name, self.index) != (other.name, other.index):
            return False
        return self.serial == other.serial if self.serial else self.place == other.place


@dataclass(slots=True)
class Known:
    """What is remembered of a source from one opening to the next."""

    name: str = ""
    """What the source is called."""
    identities: dict[str, Identity] = field(default_factory=dict)
    printed: Seldom = field(default_factory=Seldom)
    """What its libraries print."""


def find(device: str, known: Known, classes: Path = CLASS, nodes: Path = Path("/dev")) -> str:
    """The device's path now; one seen before is found again under its new number.

    Raises TransientError where it is not there or may not be read, with what to do.
    """
    before = known.identities.get(device)
    path = Path(device)
    if before is not None and not before.is_now(identify(path, classes)):
        others = (nodes / entry.name for entry in sorted(classes.glob("video*")))
        path = next((other for other in others if before.is_now(identify(other, classes))), path)
    if not path.exists():
        there = ", ".join(f"{nodes}/{entry.name}" for entry in sorted(classes.glob("video*")))
        raise TransientError(
            f"v4l2:{device}: there is no such camera; is it plugged in? There is: {there or 'none'}"
        )
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        raise TransientError(
            f"v4l2:{device}: may not be read: add this user to the group {_group(path)}"
        )
    identity = identify(path, classes)
    if before is None and identity is not None:
        known.identities[device] = identity
    return str(path)


def identify(path: Path, classes: Path = CLASS) -> Identity | None:
    """Who a device is; None for what is no V4L2 device."""
    entry = classes / path.resolve().name
    try:
        name, index = ((entry / key).read_text().strip() for key in ("name", "index"))
        place = (entry / "device").resolve()
        serial = place.parent / "serial"
        return Identity(
            name, index, serial.read_text().strip() if serial.exists() else "", str(place)
        )
    except OSError:
        return None


def _group(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (KeyError, OSError):
        return "video"
