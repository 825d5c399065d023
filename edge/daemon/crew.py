"""The workers of all sources: begun, exchanged where their section changes, ended."""

import logging
import time

from edge.config import Config, SourceConfig
from edge.daemon import scene
from edge.daemon.looks import Looks, Plan
from edge.daemon.memory import Memory
from edge.daemon.worker import Worker
from edge.feed.feed import Feed
from edge.feed.ways import GOODBYE_S
from edge.record import Recorder, SourceRecorder
from edge.runtime.runtime import NoDelegateError

log = logging.getLogger(__name__)

END_S = 12.0
"""How long a worker may take for its last frame and the ends of its stories: a slow model is
waited for, and one that hangs until invoke_limit_s. systemd kills after 15 s."""


class Crew:
    """By name, the worker of each source."""

    def __init__(self, looks: Looks, memory: Memory, feed: Feed) -> None:
        self._looks = looks
        self._memory = memory
        self._feed = feed
        self._plan: Plan | None = None
        """What the workers are equipped from, beside..."""
        self._recorder: Recorder | None = None
        self.workers: dict[str, Worker] = {}
        """Always the same mapping: who holds it sees every change."""

    @property
    def all(self) -> list[Worker]:
        """The workers of now."""
        return list(self.workers.values())

    def turn(self, config: Config) -> None:
        """Sources that this configuration lacks, or has otherwise, are stopped; the others go on,
        and their next frames are looked at as the plan now says. Nothing waits."""
        for name, worker in self.workers.items():
            if config.source.get(name) == worker.config:
                worker.look_anew()
            else:
                worker.stop()

    def follow(self, plan: Plan, recorder: Recorder | None) -> None:
        """The workers are those of this plan."""
        config = plan.config
        leaving = [w for n, w in self.workers.items() if config.source.get(n) != w.config]
        _end(leaving)
        for worker in leaving:
            del self.workers[worker.name]
        for name, section in config.source.items():
            worker = self.workers.get(name) or self._hire(name, section)
            self._equip(worker, plan, recorder)
            if name not in self.workers:
                self.workers[name] = worker
                worker.thread.start()
        self._plan, self._recorder = plan, recorder

    def say_again(self) -> None:
        """What is retained, to a broker that may not know it."""
        for worker in self.all:
            self._feed.available(worker.name, worker.stats.online)
            self._feed.state(worker.name, time.time())

    def excuse(self) -> None:
        """They waited for us: none of them stood still by itself."""
        for worker in self.all:
            if worker.thread.is_alive():
                worker.pulse.beat()

    def end(self) -> None:
        """All of them, with the ends of their stories."""
        for worker in self.workers.values():
            worker.stop()
        _end(self.all)

    def check(self) -> bool:
        """Whether any source goes on. Raises what no other source can live with, or what the last
        one ended with."""
        workers = self.all
        errors = [worker.error for worker in workers if worker.error is not None]
        for error in errors:
            if isinstance(error, BrokenPipeError | NoDelegateError):
                raise error
        if any(worker.thread.is_alive() for worker in workers):
            return True
        if errors:
            raise errors[0]
        return False

    @property
    def live(self) -> bool:
        """Whether one of them is no recording."""
        return any(worker.stats.live for worker in self.workers.values())

    def _hire(self, name: str, section: SourceConfig) -> Worker:
        worker = Worker(
            name, section, lambda before, live: self._looks.look(name, before, live), self._feed
        )
        worker.stats.paused = self._memory.paused(name)
        worker.on_pause = lambda paused: self._memory.pause(name, paused)
        worker.company = lambda: self._others_work(worker)
        return worker

    def _others_work(self, one: Worker) -> bool:
        """Recordings that all wait for each other would wait for ever."""
        others = [worker for worker in self.all if worker is not one]
        return any(w.thread.is_alive() and (w.stats.live or not w.failing) for w in others)

    def _equip(self, worker: Worker, plan: Plan, recorder: Recorder | None) -> None:
        """What did not change stays: a day's tally, what a view is used to, an open clip."""
        new, reporter, rules = plan.config, worker.reporter, plan.books[worker.name]
        before = self._plan if worker.name in self.workers else None
        old = before.config if before is not None else None
        same_rules = before is not None and before.books.get(worker.name) is rules
        if old is None or not same_rules or new.summary != old.summary:
            reporter.tally = scene.tally(rules, new)
        if old is None or new.view != old.view:
            reporter.view = scene.view(new.view)
        reporter.publish_s = new.summary.publish_s
        if recorder is None:
            reporter.record = None
        elif reporter.record is None or recorder is not self._recorder:
            reporter.record = SourceRecorder(new.record, worker.name, recorder)


def _end(workers: list[Worker]) -> None:
    """Wait for them, as long as they may owe the ends of stories."""
    began_s = time.monotonic()
    for worker in workers:
        worker.thread.join(max(0.0, began_s + GOODBYE_S / 2 - time.monotonic()))
    for worker in workers:
        while worker.owes and time.monotonic() < began_s + END_S:
            worker.thread.join(0.05)
        if worker.owes:
            log.error("source %s: did not end within %g s", worker.name, END_S)
