"""The daemon: one model, one feed, a worker per source, the status every few seconds.

What lives from start to end is made once. A reload compares the old configuration with the new
one and exchanges what changed (`_exchange`); all else goes on.
"""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from edge.config import Config, FeedConfig
from edge.daemon import looks, memory, scene
from edge.daemon.chore import Chore, unexpected
from edge.daemon.crew import Crew
from edge.daemon.looks import Looks
from edge.daemon.memory import Memory
from edge.daemon.outlets import Outlets
from edge.daemon.parts import LostError, exchanged
from edge.daemon.pulse import Stages
from edge.daemon.readers import Readers
from edge.daemon.report import Parts, report
from edge.daemon.rota import Rota
from edge.daemon.vitals import Vitals
from edge.errors import HedgerowError, TransientError
from edge.feed import payloads
from edge.feed.clock import Clock
from edge.feed.feed import Feed, Identity
from edge.feed.ways import Ways
from edge.health import heap
from edge.runtime.runtime import NoDelegateError, start

log = logging.getLogger(__name__)

DELIVERY_S = 10.0
"""How long the end of a recording waits for the broker to take its events."""
STEP_S = 0.05
"""How often the loop comes round."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to."""

    sources: dict[str, payloads.SourceStatus]
    elapsed_s: float


class Daemon:
    """`Daemon(config).run(stop)`: constructed means that model and runtime are checked."""

    def __init__(
        self,
        config: Config,
        json_lines: bool = False,
        mqtt: bool = True,
        stop: Event | None = None,
    ) -> None:
        """Raises FatalError for a model or a configuration that cannot work. `stop` ends the
        waiting for a delegate that opens."""
        self._json_lines = json_lines
        self._began_s = time.monotonic()
        self._boot_id = secrets.token_hex(4)
        self._plan = looks.plan(config)
        self._runtime = start(looks.setup(self._plan), stop)
        self._changes = 0
        self._memory = Memory(memory.path_for(config))
        self._looks = Looks(self._plan, self._runtime, self._memory)
        self._outlets = Outlets(self._report, json_lines, mqtt)
        self._ways = Ways()
        self._rota = Rota([])
        self._states: list[tuple[bool, bool]] = []
        self._asked = False
        self._due_s = 0.0
        self._lost: TransientError | None = None
        self.reread: Callable[[], Config] | None = None
        """Gives the configuration as it is now, for the command reload."""
        self.reload_asked = Event()
        """Set by a signal handler: read the configuration again."""

    def run(self, stop: Event) -> Summary:
        """Until every source has ended, one cannot go on, or `stop` is set.

        Raises the HedgerowError of the source or broker that ended it, and TransientError
        where a recording's events could not be delivered.
        """
        began_s = time.monotonic()
        try:
            self._begin()
            try:
                self._watch(stop)
            finally:
                self._end()
            self._deliver(stop)
        finally:
            self._outlets.close()
            self._memory.save()
        workers = self._crew.workers.values()
        sources = {worker.name: worker.stats.status(worker.source) for worker in workers}
        return Summary(sources, time.monotonic() - began_s)

    @property
    def _config(self) -> Config:
        return self._plan.config

    def _begin(self) -> None:
        config = self._config
        self._outlets.open(config)
        self._ways = self._outlets.ways
        self._remember_renamed()
        self._feed = Feed(self._identity(), self._ways, self._says(), Clock())
        self._feed.inherit()
        self._crew = Crew(self._looks, self._memory, self._feed)
        self._readers = Readers(self._crew)
        stages = Stages(
            lambda: {worker.name: worker.pulse for worker in self._crew.all},
            self._runtime,
            lambda: self._ways.outbox,
        )
        self._vitals = Vitals(config, stages, lambda: [worker.pace for worker in self._crew.all])
        self._settle()
        self._outlets.serve(config)
        self._vitals.ready()

    def _remember_renamed(self) -> None:
        """A camera that is paused stays so when its device gets another name."""
        own, retained = memory.path_for(self._config), self._ways.retained
        if own is None or retained is None:
            return
        for device in retained.renamed:
            self._memory.adopt(own.with_name(f"{device}{memory.SUFFIX}"))

    def _watch(self, stop: Event) -> None:
        chores = [
            Chore("watchdog", lambda: self._vitals.step(time.monotonic())),
            Chore("broker", self._check_broker),
            Chore("discovery", self._readers.announce),
            Chore("schedules", self._rota.step),
            Chore("commands", self._obey),
            Chore("status", self._tell),
            Chore("SIGHUP", self._hear_signal),
            Chore("state folder", lambda: self._memory.step(time.monotonic())),
        ]
        while not stop.is_set():
            for chore in chores:
                chore.step()
            if self._lost is not None:
                raise self._lost
            if not self._crew.check():
                return
            stop.wait(STEP_S)

    def _check_broker(self) -> None:
        if self._ways.client is not None:
            self._ways.client.check()

    def _obey(self) -> None:
        self._asked |= self._readers.obey(self._report, self._reload)

    def _tell(self) -> None:
        """The status, from time to time and where something is new."""
        states = [(worker.stats.online, worker.stats.closed) for worker in self._crew.all]
        news = self._moved() or self._asked or states != self._states
        if not news and time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + self._config.feed.status_interval_s
        self._asked, self._states = False, states
        status = self._report()
        self._feed.status(status)
        client = self._ways.client
        self._vitals.tell(status, client.connected.is_set() if client else None)

    def _moved(self) -> bool:
        """Whether another delegate infers now; events and status name it from here on."""
        if self._runtime.changes == self._changes:
            return False
        self._changes = self._runtime.changes
        self._feed.runs_on(self._runtime.delegate)
        return True

    def _hear_signal(self) -> None:
        """A wrong configuration is refused, and this one goes on."""
        if self.reload_asked.is_set():
            self.reload_asked.clear()
            try:
                self._reload()
            except HedgerowError as error:
                log.error("not reloaded: %s", error)

    def _reload(self) -> None:
        """Raises the HedgerowError of a configuration that would not run; this one goes on."""
        if self.reread is None:
            raise TransientError("this daemon was started without a configuration file")
        with self._vitals.busy():
            try:
                self._exchange(self.reread())
            except (LostError, NoDelegateError) as error:
                self._lost = error
                raise
            except HedgerowError:
                raise
            except Exception as error:
                log.debug("the reload failed", exc_info=True)
                raise TransientError(unexpected(error)) from None
            finally:
                heap.trim()
                self._crew.excuse()
        log.info("the configuration is read again")
        self._vitals.ready()

    def _exchange(self, config: Config) -> None:
        """What changed, nothing else; where something cannot be opened, nothing at all."""
        before, after = self._config, looks.plan(config, self._plan)
        if config.device != before.device:
            self._crew.end()  # stories end under the name under which they began
            self._crew.workers.clear()
        client = self._ways.client
        refused: Exception | None = None
        with self._feed.changing():
            try:
                with exchanged(self._outlets.differing(config), before, config):
                    self._turn_to(after)
            except LostError:
                raise
            except Exception as error:  # noqa: BLE001  raised once all is connected again
                refused = error
            self._ways = self._outlets.ways
            self._feed.follow(self._identity(), self._ways, self._says())
            self._changes = self._runtime.changes
        self._settle()
        if self._ways.client is not client:
            self._crew.say_again()
        if refused is not None:
            raise refused

    def _turn_to(self, plan: looks.Plan) -> None:
        """The interpreter is kept where neither model nor [runtime] changed."""

        def then() -> None:
            self._looks.follow(plan)
            self._plan = plan
            self._crew.turn(plan.config)

        setup = looks.setup(plan)
        if setup.same(self._runtime.setup):
            then()
        else:
            self._runtime.exchange(setup, then)

    def _settle(self) -> None:
        """Who looks at the configuration sees what holds now."""
        config = self._config
        self._memory.move_to(memory.path_for(config))
        self._crew.follow(self._plan, self._outlets.recorder)
        self._vitals.follow(config)
        self._readers.follow(self._plan, self._ways)
        self._rota.follow([(w, s) for w in self._crew.all if (s := scene.schedule(config, w.name))])

    def _end(self) -> None:
        self._runtime.stop()
        self._crew.end()
        self._feed.status(self._report())
        if not any(worker.thread.is_alive() for worker in self._crew.all):
            self._runtime.close()

    def _deliver(self, stop: Event) -> None:
        """Recordings end by themselves: their events are owed to the broker."""
        if stop.is_set() or self._crew.live:
            return
        missing = self._feed.flush(DELIVERY_S)
        if missing:
            raise TransientError(
                f"mqtt.broker {self._config.mqtt.broker}: {missing} messages were not delivered; "
                "events wait in the outbox for the next run"
            )

    def _says(self) -> FeedConfig:
        said = self._config.feed
        return said.model_copy(update={"observations": True}) if self._json_lines else said

    def _identity(self) -> Identity:
        model = payloads.ModelRef(
            name=self._plan.model.contract.name,
            version=self._plan.model.contract.version,
            sha256=self._plan.model.sha256,
            delegate=self._runtime.delegate,
        )
        return Identity(self._config.device, self._boot_id, model)

    def _report(self) -> payloads.StatusPayload:
        parts = Parts(
            self._config, self._identity(), self._ways, self._runtime, self._crew, self._vitals
        )
        return report(parts, self._began_s)
