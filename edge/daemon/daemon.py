"""The daemon: one model, one feed, a worker per source, the status every few seconds."""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from threading import Event

from edge import __version__, model
from edge.config import Config, RuntimeConfig, state_dir
from edge.daemon import scene
from edge.daemon.commander import Commander
from edge.daemon.rota import Rota
from edge.daemon.worker import Worker
from edge.decode import open_decode
from edge.errors import FatalError, TransientError
from edge.events import EventTracker, ObjectEvents
from edge.feed import homeassistant, payloads
from edge.feed.clock import Clock, kernel_synced
from edge.feed.feed import Feed, Identity, temperature_c
from edge.feed.ways import GOODBYE_S, Ways, open_ways
from edge.pipeline import Pipeline
from edge.preprocess import Preprocess
from edge.record import Recorder, SourceRecorder
from edge.runtime.runtime import Limits, Runtime, open_runtime
from edge.sources import Source

log = logging.getLogger(__name__)

DELIVERY_S = 10.0
"""How long the end of a recording waits for the broker to take its events."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to."""

    sources: dict[str, payloads.SourceStatus]
    elapsed_s: float


class Daemon:
    """`Daemon(config).run(stop)`: constructed means that model and runtime are checked."""

    def __init__(self, config: Config, json_lines: bool = False, mqtt: bool = True) -> None:
        """Raises FatalError for a model or a configuration that cannot work."""
        if config.model.path is None:
            raise FatalError("model.path: is missing: give --model or set it in edge.toml")
        if not config.source:
            raise FatalError("source: is missing: give --source or set [source.NAME] in edge.toml")
        self._config = config
        self._json_lines = json_lines
        self._mqtt = mqtt
        self._began_s = time.monotonic()
        self._model = model.load(config.model.path)
        self._runtime = _runtime(self._model, config.runtime)
        self._changes = 0
        contract = self._model.contract
        Preprocess(contract.input, self._runtime.input)  # refuses what does not fit
        self._decode = open_decode(contract, self._runtime.outputs)
        self._books = {name: scene.book(contract, config) for name in config.source}
        self._rules = {name: book.always for name, book in self._books.items()}
        self._stories = count(1)
        for name in config.source:
            self._events(name)  # what is wrong is said here
        scene.gate(contract, config.motion)
        self._schedules = {name: scene.schedule(config, name) for name in config.source}
        reference = payloads.ModelRef(
            name=contract.name,
            version=contract.version,
            sha256=self._model.sha256,
            delegate=self._runtime.delegate,
        )
        self._identity = Identity(config.device, secrets.token_hex(4), reference)
        self.reread: Callable[[], Config] | None = None
        """Gives the configuration as it is now, for the command reload."""
        self.successor: Daemon | None = None
        """Made by the command reload: it runs when this one has ended."""

    def run(self, stop: Event) -> Summary:
        """Until every source has ended, one cannot go on, or `stop` is set.

        Raises the HedgerowError of the source or broker that ended it, and TransientError
        where a recording's events could not be delivered.
        """
        began_s = time.monotonic()
        with ExitStack() as stack:
            ways = stack.enter_context(open_ways(self._config, self._json_lines, self._mqtt))
            recorder = self._recorder(stack)
            said = self._config.feed
            if self._json_lines:
                said = said.model_copy(update={"observations": True})
            feed = Feed(self._identity, ways, said, Clock())
            workers = [
                Worker(name, section, partial(self._pipeline, name), feed)
                for name, section in self._config.source.items()
            ]
            for worker in workers:
                worker.tally = scene.tally(self._model.contract, self._config)
                worker.publish_s = self._config.summary.publish_s
                if recorder is not None:
                    worker.record = SourceRecorder(self._config.record, worker.name, recorder)
                worker.thread.start()
            try:
                self._watch(workers, feed, ways, stop)
            finally:
                self._end(workers, feed, ways)
            self._deliver(workers, feed, stop)
        elapsed_s = time.monotonic() - began_s
        return Summary({w.name: w.stats.status(w.source) for w in workers}, elapsed_s)

    def _events(self, name: str) -> EventTracker | ObjectEvents:
        source = scene.Scene(name, self._config, self._books[name])
        return scene.events(self._model.contract, source, self._stories)

    def _recorder(self, stack: ExitStack) -> Recorder | None:
        config = self._config.record
        if not (config.snapshots or config.clips):
            return None
        return stack.enter_context(Recorder(config, config.folder or state_dir() / "media"))

    def _pipeline(self, name: str, source: Source) -> Pipeline:
        stories = self._events(name)
        preprocess = Preprocess(self._model.contract.input, self._runtime.input)
        pipeline = Pipeline(source, preprocess, self._runtime, self._decode, stories)
        pipeline.gate = scene.gate(self._model.contract, self._config.motion)
        return pipeline

    def _watch(self, workers: list[Worker], feed: Feed, ways: Ways, stop: Event) -> None:
        due_s = time.monotonic()
        commander, announcer = self._commander(workers, ways), self._announcer(ways)
        rota = Rota([(w, s) for w in workers if (s := self._schedules[w.name])])
        while not stop.is_set() and self.successor is None:
            if ways.client is not None:
                ways.client.check()
            if announcer is not None:
                announcer.step()
            rota.step()
            asked = commander is not None and commander.step(
                lambda: self._status(workers, ways), self._reload
            )
            if self._moved(feed) or asked or time.monotonic() >= due_s:
                due_s = time.monotonic() + self._config.feed.status_interval_s
                feed.status(self._status(workers, ways))
            for worker in workers:
                if worker.error is not None:
                    raise worker.error
            if not any(worker.thread.is_alive() for worker in workers):
                return
            stop.wait(0.05)

    def _moved(self, feed: Feed) -> bool:
        """Whether another delegate infers now; events and status name it from here on."""
        if self._runtime.changes == self._changes:
            return False
        self._changes = self._runtime.changes
        self._identity = self._identity.on(self._runtime.delegate)
        feed.runs_on(self._runtime.delegate)
        return True

    def _commander(self, workers: list[Worker], ways: Ways) -> Commander | None:
        if ways.commands is None or ways.outbox is None:
            return None
        return Commander(ways.commands, workers, self._rules, ways.outbox)

    def _announcer(self, ways: Ways) -> homeassistant.Announcer | None:
        told = self._config.homeassistant
        if ways.client is None or not told.discovery:
            return None
        labels = {name: tuple(rules) for name, rules in self._rules.items()}
        snapshots = self._config.feed.snapshots
        device = homeassistant.Device(self._config.device, __version__, labels, snapshots)
        return homeassistant.Announcer(device, ways.client, told.prefix)

    def _reload(self) -> None:
        """Raises the FatalError of a configuration that would not run; this one goes on."""
        if self.reread is None:
            raise TransientError("this daemon was started without a configuration file")
        self.successor = Daemon(self.reread(), self._json_lines, self._mqtt)
        self.successor.reread = self.reread

    def _end(self, workers: list[Worker], feed: Feed, ways: Ways) -> None:
        for worker in workers:
            worker.stop()
        until_s = time.monotonic() + GOODBYE_S / 2
        for worker in workers:
            worker.thread.join(max(0.0, until_s - time.monotonic()))
        feed.status(self._status(workers, ways))

    def _deliver(self, workers: list[Worker], feed: Feed, stop: Event) -> None:
        """Recordings end by themselves: their events are owed to the broker."""
        ended = stop.is_set() or self.successor is not None
        if ended or any(worker.source and worker.source.live for worker in workers):
            return
        missing = feed.flush(DELIVERY_S)
        if missing:
            raise TransientError(
                f"mqtt.broker {self._config.mqtt.broker}: {missing} messages were not delivered; "
                "events wait in the outbox for the next run"
            )

    def _status(self, workers: list[Worker], ways: Ways) -> payloads.StatusPayload:
        return payloads.StatusPayload(
            device=self._identity.device,
            version=__version__,
            boot_id=self._identity.boot_id,
            uptime_s=time.monotonic() - self._began_s,
            model=self._identity.model,
            delegates=payloads.DelegateStatus(
                asked=self._config.runtime.delegates,
                loaded=self._runtime.delegate,
                refused={r.delegate: r.reason for r in self._runtime.refused},
            ),
            sources={worker.name: worker.stats.status(worker.source) for worker in workers},
            outbox=ways.outbox.status() if ways.outbox else None,
            dropped_messages=ways.client.dropped if ways.client else 0,
            clock_synced=kernel_synced(),
            temperature_c=temperature_c(),
            time=payloads.iso(time.time()),
        )


def _runtime(loaded: model.Model, config: RuntimeConfig) -> Runtime:
    limits = Limits(config.threads, config.invoke_limit_s, retry_s=config.retry_s)
    return open_runtime(loaded, config.delegates, limits, config.state_dir or state_dir())
