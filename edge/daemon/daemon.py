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
from edge.daemon import check, metrics, scene
from edge.daemon.commander import Commander
from edge.daemon.pulse import Stages
from edge.daemon.rota import Rota
from edge.daemon.vitals import Vitals
from edge.daemon.worker import Worker
from edge.errors import HedgerowError, TransientError
from edge.events import EventTracker, ObjectEvents
from edge.feed import homeassistant, payloads
from edge.feed.clock import Clock, kernel_synced
from edge.feed.feed import Feed, Identity
from edge.feed.ways import GOODBYE_S, Ways, open_ways
from edge.health.pace import Pace
from edge.pipeline import Pipeline
from edge.preprocess import Preprocess
from edge.record import Recorder, SourceRecorder
from edge.runtime.proof import decoder
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
        self._config = config
        self._json_lines = json_lines
        self._mqtt = mqtt
        self._began_s = time.monotonic()
        self._model, self._books = check.look_over(config)
        self._runtime = _runtime(self._model, config.runtime)
        self._changes = 0
        contract = self._model.contract
        self._decode = decoder(self._model, self._runtime.input, self._runtime.outputs)
        self._stories = count(1)
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
        """Made by a reload: it runs when this one has ended."""
        self.reload_asked = Event()
        """Set by a signal handler: read the configuration again."""
        self._paces = {name: Pace() for name in config.source}
        self._ending = Event()

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
                worker.tally = scene.tally(self._books[worker.name], self._config)
                worker.view = scene.view(self._config.view)
                worker.publish_s = self._config.summary.publish_s
                if recorder is not None:
                    worker.record = SourceRecorder(self._config.record, worker.name, recorder)
                worker.thread.start()
            pulses = {worker.name: worker.pulse for worker in workers}
            stages = Stages(pulses, self._runtime, ways.outbox)
            self._vitals = Vitals(self._config, stages, self._paces.values())
            report = partial(self._status, workers, ways)
            if self._config.health.metrics_port:
                stack.enter_context(metrics.serve(self._config.health.metrics_port, report))
            self._vitals.ready()
            try:
                self._watch(workers, feed, ways, stop)
            finally:
                self._ending.set()
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
        pace = self._paces[name]
        pipeline.rest = lambda: self._ending.wait(pace.wait_s(time.monotonic()))
        return pipeline

    def _watch(self, workers: list[Worker], feed: Feed, ways: Ways, stop: Event) -> None:
        due_s = time.monotonic()
        commander, announcer = self._commander(workers, ways), self._announcer(ways)
        rota = Rota([(w, s) for w in workers if (s := self._schedules[w.name])])
        report = partial(self._status, workers, ways)
        states: list[tuple[bool, bool]] = []
        while not stop.is_set() and self.successor is None:
            self._vitals.step(time.monotonic())
            if ways.client is not None:
                ways.client.check()
            if announcer is not None:
                announcer.step()
            rota.step()
            asked = commander is not None and commander.step(report, self._reload)
            before, states = states, [(w.stats.online, w.stats.closed) for w in workers]
            news = self._moved(feed) or asked or states != before
            if news or time.monotonic() >= due_s:
                due_s = time.monotonic() + self._config.feed.status_interval_s
                status = report()
                feed.status(status)
                connected = ways.client.connected.is_set() if ways.client else None
                self._vitals.tell(status, connected)
            self._hear_signal()
            for worker in workers:
                if worker.error is not None:
                    raise worker.error
            if not any(worker.thread.is_alive() for worker in workers):
                return
            stop.wait(0.05)

    def _hear_signal(self) -> None:
        """A wrong configuration is refused, and this one goes on."""
        if self.reload_asked.is_set():
            self.reload_asked.clear()
            try:
                self._reload()
            except HedgerowError as error:
                log.error("not reloaded: %s", error)

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
        return Commander(ways.commands, workers, self._books, ways.outbox)

    def _announcer(self, ways: Ways) -> homeassistant.Announcer | None:
        told = self._config.homeassistant
        if ways.client is None or not told.discovery:
            return None
        labels = {name: book.labels for name, book in self._books.items()}
        snapshots = self._config.feed.snapshots
        views = self._config.view.enabled
        device = homeassistant.Device(self._config.device, __version__, labels, snapshots, views)
        return homeassistant.Announcer(device, ways.client, told.prefix)

    def _reload(self) -> None:
        """Raises the FatalError of a configuration that would not run; this one goes on."""
        if self.reread is None:
            raise TransientError("this daemon was started without a configuration file")
        with self._vitals.busy():
            self.successor = Daemon(self.reread(), self._json_lines, self._mqtt)
        self.successor.reread = self.reread
        self.successor.reload_asked = self.reload_asked
        log.info("the configuration is read again")

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
            temperature_c=self._vitals.heat.temperature_c,
            frame_share=self._vitals.share,
            throttled=self._vitals.heat.flags,
            time=payloads.iso(time.time()),
        )


def _runtime(loaded: model.Model, config: RuntimeConfig) -> Runtime:
    limits = Limits(config.threads, config.invoke_limit_s, retry_s=config.retry_s)
    return open_runtime(loaded, config.delegates, limits, config.state_dir or state_dir())
