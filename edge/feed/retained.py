"""What this device retains on the broker, remembered in the state folder: what a later run no
longer says is cleared, also of a device or a camera that was renamed meanwhile."""

import fcntl
import hashlib
import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient
from edge.files import write_whole

log = logging.getLogger(__name__)

DISCOVERY = "homeassistant"
"""The prefix of a Hedgerow that did not write its topics down."""
SUFFIX = ".retained"


def expected(config: Config) -> set[str]:
    """The topics that a run with this configuration retains."""
    root = f"{ROOT}/{config.device}"
    kinds = ("availability", "state", *(("summary",) if config.summary.enabled else ()))
    topics = {f"{root}/availability", f"{root}/status"}
    topics |= {f"{root}/{source}/{kind}" for source in config.source for kind in kinds}
    if config.homeassistant.discovery:
        topics.add(discovery(config.homeassistant.prefix, config.device))
    return topics


def discovery(prefix: str, device: str) -> str:
    """Where Home Assistant looks for a device."""
    return f"{prefix}/device/hedgerow_{device}/config"


class Retained:
    """The file `<device>.retained` beside the outbox, locked while this device runs."""

    def __init__(self, folder: Path, config: Config, client: MqttClient) -> None:
        """Takes up what earlier runs left on the broker."""
        self._path = folder / f"{config.device}{SUFFIX}"
        self._client = client
        self._cameras = sorted(_print(source.uri) for source in config.source.values())
        self._lock = _hold(self._path)
        earlier = set(_read(self._path).get("topics", ()))
        earlier.add(discovery(DISCOVERY, config.device))
        renamed = [path for path in sorted(folder.glob(f"*{SUFFIX}")) if self._was(path)]
        for path in renamed:
            earlier |= set(_read(path).get("topics", ()))
        self._topics: set[str] = set()
        self._stale = earlier
        self.keep(config)
        for path in renamed:  # what they name is in our own file now
            log.info("device %s is %s now", path.stem, config.device)
            _remove(path)

    def _was(self, path: Path) -> bool:
        """Whether that device had one of our cameras and does not run: it is this one now."""
        cameras = set(_read(path).get("cameras", ()))
        if path == self._path or not cameras & set(self._cameras):
            return False
        lock = _hold(path)
        if lock is not None:
            os.close(lock)
        return lock is not None

    def keep(self, config: Config) -> None:
        """This configuration holds from now on: what only an earlier one said is cleared."""
        stale = (self._stale | self._topics) - expected(config)
        self._topics, self._stale = expected(config), stale
        self._write()
        for topic in stale:
            self._client.listen(topic, self._clear)

    def close(self) -> None:
        """Let go of the file."""
        self._write()
        if self._lock is not None:
            os.close(self._lock)

    def _clear(self, message: Message) -> None:
        if message.retain and message.payload and message.topic in self._stale:
            self._stale = self._stale - {message.topic}
            log.info("%s: is said no more: cleared on the broker", message.topic)
            self._client.publish(Message(message.topic, "", retain=True))

    def _write(self) -> None:
        known = {"topics": sorted(self._topics | self._stale), "cameras": self._cameras}
        try:
            write_whole(self._path, json.dumps(known, indent=1).encode(), 0o600)
        except OSError as error:
            log.debug("%s: %s", self._path, error)


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _hold(path: Path) -> int | None:
    """The lock that says that a device runs; None: somebody has it, or it cannot be had."""
    try:
        number = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number


def _remove(path: Path) -> None:
    """The file of a device that is no more. Its outbox stays, with what waits in it."""
    with suppress(OSError):
        path.unlink()
        Path(f"{path}.lock").unlink()
    outbox = path.with_suffix(".outbox")
    if outbox.exists():
        log.warning("%s: is kept; to deliver what waits in it, run with --device %s once more",
                    outbox, path.stem)  # fmt: skip


def _print(uri: str) -> str:
    """A fingerprint of a camera's address without what may be a password in it."""
    address = uri.rpartition("@")[2].partition("?")[0]
    address = address.partition("//")[2] or address
    return hashlib.sha256(address.encode()).hexdigest()[:12]
