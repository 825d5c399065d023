"""One source's thread: its pipeline, started again when a live source fails."""

import logging
import random
import time
from collections.abc import Callable
from threading import Event, Thread

from edge.config import SourceConfig
from edge.daemon.stats import SourceStats
from edge.errors import HedgerowError, TransientError
from edge.feed.feed import Feed
from edge.pipeline import Pipeline
from edge.sources import Source, open_source

log = logging.getLogger(__name__)

BACKOFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)
HEALTHY_S = 60.0
"""A source that delivered for this long starts again with the shortest backoff."""


class Worker:
    """Runs one source until it ends or is stopped; `error` says why it could not go on."""

    def __init__(
        self, name: str, config: SourceConfig, make: Callable[[Source], Pipeline], feed: Feed
    ) -> None:
        self.name = name
        self.stats = SourceStats()
        self.source: Source | None = None
        self.error: HedgerowError | BrokenPipeError | None = None
        self._config = config
        self._make = make
        self._feed = feed
        self._stopped = Event()
        self.thread = Thread(target=self._run, name=f"source {name}", daemon=True)

    def stop(self) -> None:
        """From any thread: the source ends soon."""
        self._stopped.set()
        if self.source is not None:
            self.source.stop()

    def _run(self) -> None:
        try:
            self._supervise()
        except HedgerowError as error:
            self.error = error
        except (
            Exception
        ) as error:  # a thread that dies unseen would leave a daemon that does nothing
            log.debug("source %s", self.name, exc_info=True)
            self.error = TransientError(
                f"source {self.name}: unexpected {type(error).__name__}: {error}; "
                "please report it with the output of --verbose"
            )
        self._stopped.set()

    def _supervise(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            began_s = time.monotonic()
            self.source = open_source(self._config)
            try:
                self._read(self.source)
            except TransientError as error:
                if not self.source.live:
                    raise
                failures = 0 if time.monotonic() - began_s > HEALTHY_S else failures
                wait_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311
                failures += 1
                self.stats.reason = str(error)
                log.warning("source %s: %s; trying again in %.0f s", self.name, error, wait_s)
                self._stopped.wait(wait_s)
                continue
            return

    def _read(self, source: Source) -> None:
        """Raises TransientError where the source fails; open stories are ended either way."""
        pipeline = self._make(source)
        try:
            for seen in pipeline:
                self.stats.observe(seen)
                if not self.stats.online:
                    self._online()
                self._feed.observe(self.name, seen, source.live)
                if self._stopped.is_set():
                    source.stop()
        finally:
            for event in pipeline.finish():
                self.stats.events += 1
                self._feed.tell(self.name, event, source.live)
            self.stats.reason = "stopped" if self._stopped.is_set() else "ended"
            if self.stats.online:
                self.stats.online = False
                self._feed.available(self.name, online=False)

    def _online(self) -> None:
        self.stats.online = True
        self._feed.available(self.name, online=True)
        self._feed.state(self.name, time.time())
