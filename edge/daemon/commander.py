"""Checked commands -> what they do to the workers, the outbox and the configuration."""

import logging
import sys
import time
from collections.abc import Callable, Mapping

from edge.daemon.worker import Worker
from edge.errors import HedgerowError
from edge.events import RuleBook
from edge.feed import commands
from edge.feed.commands import Asked, Command, Commands, Thresholds
from edge.feed.outbox import Outbox
from edge.feed.payloads import StatusPayload
from edge.text import shown

log = logging.getLogger(__name__)

STEP_S = 0.05
"""After so long the daemon's other work comes first, however many commands wait."""
SWITCH_S = 0.0005
"""How long one thread may keep the others from running: at Python's own 5 ms, a flood of commands
would hold up a camera's thread, which gives way dozens of times a frame, by seconds."""


class Commander:
    """Carries out what the feed's readers ask for."""

    def __init__(
        self,
        asked: Commands,
        workers: Mapping[str, Worker],
        rules: Mapping[str, RuleBook],
        outbox: Outbox,
    ) -> None:
        """`rules` by source: what a threshold changes, while it is in use. A reload changes both
        mappings in place."""
        sys.setswitchinterval(SWITCH_S)
        self._asked = asked
        self._workers = workers
        self._rules = rules
        self._outbox = outbox

    def step(self, report: Callable[[], StatusPayload], reload: Callable[[], None]) -> bool:
        """Carry out what waits; whether there was anything.

        `reload` raises the HedgerowError that a new configuration runs into.
        """
        anything = False
        until_s = time.monotonic() + STEP_S
        while time.monotonic() < until_s and (asked := self._asked.take()) is not None:
            anything = True
            try:
                self._carry_out(asked, asked.command, report, reload)
            except HedgerowError as error:
                asked.refuse(str(error))
            except Exception as error:  # noqa: BLE001  no command may end the daemon
                reason = shown(f"unexpected {type(error).__name__}: {error}")
                log.error("command %s: %s; please report it", type(asked.command).__name__, reason)
                asked.refuse(reason)
        return anything

    def _carry_out(
        self,
        asked: Asked,
        command: Command,
        report: Callable[[], StatusPayload],
        reload: Callable[[], None],
    ) -> None:
        match command:
            case commands.Pause(source=name, paused=paused):
                self._pause(asked, name, paused)
            case commands.Resume(source=name):
                self._pause(asked, name, paused=False)
            case commands.Threshold():
                self._threshold(asked, command)
            case commands.Snapshot(source=name):
                for worker in self._named(asked, name):
                    worker.snapshot(asked)
            case commands.Replay(from_seq=first, to_seq=last, reader=reader):
                asked.done(events=self._outbox.replay(first, last, reader or ""))
            case commands.Cancel():
                asked.done(events=self._outbox.cancel_replays())
            case commands.Report():
                asked.done(status=report(), thresholds=self._thresholds())
            case commands.Reload():
                reload()
                asked.done()

    def _named(self, asked: Asked, name: str | None) -> list[Worker]:
        """The sources that are meant; none, and an answer, where there is no such source."""
        if name is None:
            return list(self._workers.values())
        if name not in self._workers:
            asked.refuse(f"source: there is no {name!r}; there are {', '.join(self._workers)}")
            return []
        return [self._workers[name]]

    def _pause(self, asked: Asked, name: str | None, paused: bool) -> None:
        workers = self._named(asked, name)
        for worker in workers:
            worker.pause(paused)
        if workers:
            asked.done()

    def _threshold(self, asked: Asked, command: commands.Threshold) -> None:
        label, workers = command.label, self._named(asked, command.source)
        books = [book for w in workers if label in (book := self._rules[w.name]).labels]
        if workers and not books:
            labels = ", ".join(self._rules[workers[0].name].labels)
            asked.refuse(f"label: {label!r} makes no events; there are {labels}")
            return
        try:
            for book in books:
                book.set_threshold(label, command.enter, command.leave)
        except ValueError as error:
            asked.refuse(str(error))
            return
        if books:
            asked.done()

    def _thresholds(self) -> dict[str, dict[str, Thresholds]]:
        """Those in force now."""
        now_s = time.time()
        return {
            source: {
                label: Thresholds(enter=rule.enter, leave=rule.leave)
                for label, rule in book.at(now_s).items()
            }
            for source, book in self._rules.items()
        }
