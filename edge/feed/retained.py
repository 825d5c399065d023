"""What this device retains on the broker, remembered in the state folder: what a later run no
longer says is cleared, also of a device or a camera that was renamed meanwhile."""

import fcntl
import hashlib
import json
import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from edge.address import Address, read
from edge.config import Config
from edge.feed import payloads
from edge.feed.holding import Holding
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

    def __init__(self, folder: Path | None, config: Config, client: MqttClient) -> None:
        """Takes up what earlier runs left on the broker. Without a folder nothing is remembered."""
        self._path = folder / f"{config.device}{SUFFIX}" if folder else None
        self._client = client
        self._config = config
        self._topics: set[str] = set()
        self._stale = {discovery(DISCOVERY, config.device)}
        self._lock = _hold(self._path) if self._path else None
        renamed = self._earlier(self._path) if self._path else []
        self.renamed = tuple(path.stem for path in renamed)
        """What this device was called before."""
        self.keep(config)
        for path in renamed:  # what they name is in our own file now
            log.info("device %s is %s now", path.stem, config.device)
            _remove(path)
        for kind in ("availability", "state", "summary"):
            client.listen(f"{ROOT}/{config.device}/+/{kind}", self._look)

    def _earlier(self, own: Path) -> list[Path]:
        """Read the files; returns those of devices that had one of our cameras and do not run:
        they are this one now."""
        ours = _cameras(self._config)
        known: dict[Path, tuple[set[str], set[str]]] = {}
        with suppress(OSError):  # a folder that may not be read: the outbox has said so
            known = {path: _read(path) for path in own.parent.glob(f"*{SUFFIX}")}
        renamed = [
            path
            for path, (_, cameras) in sorted(known.items())
            if path != own and cameras & ours and not _runs(path)
        ]
        for path in (own, *renamed):
            self._stale |= known.get(path, (set(), set()))[0]
        return renamed

    def keep(self, config: Config) -> None:
        """This configuration holds from now on: what only an earlier one said is cleared."""
        self._config = config
        said = expected(config)
        self._topics, self._stale = said, (self._stale | self._topics) - said
        self._write()
        for topic in self._stale:
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

    def _look(self, message: Message) -> None:
        """What a run that was killed left is not left standing: sources that are configured no
        more leave nothing, and nothing holds on the others until this run says so."""
        device, source, kind = message.topic.split("/")[1:]
        if not (message.retain and message.payload):
            return
        if source not in self._config.source:
            self._client.publish(Message(message.topic, "", retain=True))
        elif kind == "availability" and message.text != "offline":
            self._client.publish(Message(message.topic, "offline", retain=True), first=True)
        elif kind == "state":
            nothing = payloads.state(device, source, Holding(), time.time())
            self._client.publish(Message(message.topic, nothing.to_json(), retain=True), first=True)

    def _write(self) -> None:
        if self._path is None:
            return
        topics, cameras = sorted(self._topics | self._stale), sorted(_cameras(self._config))
        text = json.dumps({"topics": topics, "cameras": cameras}, indent=1)
        try:
            write_whole(self._path, text.encode(), 0o600)
        except OSError as error:
            log.debug("%s: %s", self._path, error)


def _read(path: Path) -> tuple[set[str], set[str]]:
    """Topics and cameras; nothing where the file is not what was written."""
    try:
        known = json.loads(path.read_bytes())
        lists = [known[key] for key in ("topics", "cameras")]
        topics, cameras = ({text for text in one if isinstance(text, str)} for one in lists)
    except (OSError, ValueError, KeyError, TypeError):
        return set(), set()
    return {topic for topic in topics if re.fullmatch(r"[^+#\0]+", topic)}, cameras


def _runs(path: Path) -> bool:
    """Whether the device of this file runs, as far as its lock tells."""
    lock = _hold(path)
    if lock is not None:
        os.close(lock)
    return lock is None


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


def _cameras(config: Config) -> set[str]:
    """Fingerprints of the addresses, without what may be a password in them."""
    return {_fingerprint(read(source.uri)) for source in config.source.values()}


def _fingerprint(address: Address) -> str:
    where = f"{address.netloc}{address.target.partition('?')[0]}" if address.host else address.rest
    text = f"{address.scheme}:{where}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:12]
