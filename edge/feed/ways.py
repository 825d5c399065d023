"""A configuration -> the ways on which the feed leaves the device, opened and closed in order."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from edge.config import Config
from edge.feed import access, journal_file
from edge.feed.clock import Clock
from edge.feed.commands import Commands
from edge.feed.message import ROOT, Message
from edge.feed.mqtt import MqttClient
from edge.feed.outbox import Outbox
from edge.feed.payloads import FileStatus
from edge.feed.retained import Retained
from edge.feed.sinks import JsonFile, JsonLines, Sink

log = logging.getLogger(__name__)

GOODBYE_S = 0.7
"""How long the end waits for the broker's acknowledgements: exit within 2 s is the promise."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How the feed leaves the device."""

    client: MqttClient | None = None
    outbox: Outbox | None = None
    """Where events go on their way to the client's broker."""
    commands: Commands | None = None
    """What the feed's readers ask for."""
    others: tuple[Sink, ...] = ()
    retained: Retained | None = None
    """What is on the broker; its `keep` is told of a configuration that changes."""

    @property
    def file(self) -> FileStatus | None:
        """How the file of `[file]` is doing."""
        return next((sink.status() for sink in self.others if isinstance(sink, JsonFile)), None)


@contextmanager
def open_ways(config: Config, json_lines: bool, mqtt: bool) -> Iterator[Ways]:
    """MQTT with its outbox, and the other sinks.

    Raises FatalError where the broker's address, a file or the journal cannot be used.
    """
    others: tuple[Sink, ...] = (JsonLines(),) if json_lines else ()
    with ExitStack() as stack:
        if config.file.path is not None:
            others += (stack.enter_context(closing(JsonFile(config.file))),)
        if not mqtt:
            yield Ways(others=others)
            return
        embedded = config.mqtt.broker.startswith("embedded")
        if embedded:
            from edge.feed.broker import EmbeddedBroker

            stack.enter_context(EmbeddedBroker(access.address(config.mqtt.broker).port))
            section = config.mqtt.model_copy(update={"protocol": "3.1.1"})
            config = config.model_copy(update={"mqtt": section})
        client = stack.enter_context(_connection(config))
        path = None if embedded else journal_file.default_path(config.outbox, config.device)
        if path is None and not embedded:
            log.warning("outbox: this user has no home folder; events wait in memory only: set "
                        "outbox.folder to a folder that can be written")  # fmt: skip
        outbox = stack.enter_context(Outbox(path, config.outbox, client, Clock()))
        commands = stack.enter_context(closing(Commands(config.device, client, Clock())))
        folder = path.parent if path is not None else None
        retained = stack.enter_context(closing(Retained(folder, config, client)))
        yield Ways(client, outbox, commands, others, retained)


@contextmanager
def _connection(config: Config) -> Iterator[MqttClient]:
    """The daemon's MQTT connection: `online` whenever connected, `offline` when gone."""
    topic = f"{ROOT}/{config.device}/availability"
    will = Message(topic, "offline", retain=True)
    with MqttClient(config.mqtt, f"hedgerow-{config.device}", will) as client:
        client.publish(Message(topic, "online", retain=True))
        try:
            yield client
        finally:
            if client.connected.is_set():
                client.publish(will)
                client.flush(GOODBYE_S)
