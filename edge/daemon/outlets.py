"""The ways on which something leaves the device, each a part of its own."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.config import Config, FileConfig
from edge.daemon import metrics
from edge.daemon.chore import unexpected
from edge.daemon.complaints import Complaints
from edge.daemon.memory import state_folder
from edge.daemon.parts import Part
from edge.errors import FatalError
from edge.feed.message import Message
from edge.feed.mqtt import MqttClient
from edge.feed.payloads import StatusPayload
from edge.feed.sinks import JsonFile, Sink
from edge.feed.ways import Ways, open_ways
from edge.record import Recorder


class File(JsonFile):
    """The file's mistakes cost its own lines only, never a source."""

    def __init__(self, config: FileConfig) -> None:
        super().__init__(config)
        self._complaints = Complaints("file.path")

    def publish(self, message: Message) -> None:
        """As any file."""
        try:
            super().publish(message)
        except Exception as error:  # noqa: BLE001  a source must not end for it
            self._complaints.fails(unexpected(error), "lines are lost")


class Outlets:
    """MQTT with its outbox, the file, the recorder and the metrics."""

    def __init__(self, report: Callable[[], StatusPayload], json_lines: bool, mqtt: bool) -> None:
        """`report` gives the figures for Prometheus."""

        def link(config: Config) -> Any:
            return open_ways(config.model_copy(update={"file": FileConfig()}), json_lines, mqtt)

        def figures(config: Config) -> Any:
            port = config.health.metrics_port
            return metrics.serve(port, report, self._client) if port else nullcontext()

        self._link: Part[Ways] = Part(_link_from, link)
        self._file: Part[tuple[Sink, ...]] = Part(lambda config: config.file, _file)
        self._recorder: Part[Recorder | None] = Part(_records, _recorder)
        self._metrics: Part[None] = Part(lambda config: config.health.metrics_port, figures)

    def open(self, config: Config) -> None:
        """All but the metrics. Raises FatalError where one of them cannot be used."""
        for part in (self._link, self._file, self._recorder):
            part.take(config)

    def serve(self, config: Config) -> None:
        """The metrics: `report` is called from now on."""
        self._metrics.take(config)

    def differing(self, config: Config) -> list[Part[Any]]:
        """What this configuration exchanges."""
        return [part for part in self._parts if part.differs(config)]

    def _client(self) -> MqttClient | None:
        return self._link.now.client

    @property
    def _parts(self) -> tuple[Part[Any], ...]:
        return self._link, self._file, self._recorder, self._metrics

    @property
    def ways(self) -> Ways:
        """The feed's."""
        link = self._link.now
        return replace(link, others=link.others + self._file.now)

    @property
    def recorder(self) -> Recorder | None:
        """Writes snapshots and clips, where that is asked for."""
        return self._recorder.now

    def close(self) -> None:
        """The broker hears a goodbye."""
        for part in reversed(self._parts):
            part.close()


def _link_from(config: Config) -> object:
    """A password or a certificate that was exchanged counts, though its path stays."""
    paths = [path for path in dict(config.mqtt).values() if isinstance(path, Path)]
    return (config.device, config.mqtt, config.outbox, [_stamp(path) for path in paths])


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    except OSError:
        return None


def _records(config: Config) -> object:
    return config.record if config.record.snapshots or config.record.clips else None


@contextmanager
def _file(config: Config) -> Iterator[tuple[Sink, ...]]:
    if config.file.path is None:
        yield ()
        return
    with closing(File(config.file)) as file:
        yield (file,)


@contextmanager
def _recorder(config: Config) -> Iterator[Recorder | None]:
    if _records(config) is None:
        yield None
        return
    where = config.record.folder or state_folder()
    if where is None:
        raise FatalError("record.folder: there is no home directory: name a folder")
    with Recorder(config.record, config.record.folder or where / "media") as recorder:
        yield recorder
