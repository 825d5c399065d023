"""The ordered list of delegates -> the first one that is right, and the CPU while it is not."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Lock, Thread

from edge.errors import FatalError, TransientError
from edge.model import Model
from edge.runtime.crashes import Crashes
from edge.runtime.litert import LiteRt
from edge.runtime.opener import line
from edge.runtime.roster import Roster
from edge.runtime.setup import (
    UNGUARDED,
    USUAL,
    ExchangedError,
    Limits,
    NoDelegateError,
    Refusal,
    Setup,
    look_over,
)
from edge.runtime.turns import Turns
from edge.runtime.watched import PROVEN, Watched
from edge.types import Tensor, TensorSpec

__all__ = [
    "ExchangedError",
    "Limits",
    "NoDelegateError",
    "Refusal",
    "Runtime",
    "Setup",
    "open_runtime",
    "start",
]

log = logging.getLogger(__name__)

PATIENCE_S = 3.0
"""So long a start or a reload waits for a delegate, where the CPU can go on without it."""


class Runtime:
    """One interpreter behind one delegate, shared by all sources.

    Where `cpu` is among the delegates it is open all the time: it answers while another one is
    opened, and when that fails.
    """

    def __init__(self, setup: Setup, stop: Event | None = None) -> None:
        """`stop` ends the waiting for a delegate that opens. Raises FatalError where no delegate
        is left, with every reason."""
        self._turns = Turns()
        self._door = Lock()
        """One exchange at a time."""
        self._crashes = Crashes(setup.memory)
        self._stop = stop or Event()
        self._ending = Event()
        self._began_s: float | None = None
        self.opening = False
        """Whether a delegate is being opened that frames wait for, which may take its `open_s`."""
        self.changes = 0
        """How often the delegate changed since the start."""
        self._begin(setup)

    def _begin(self, setup: Setup) -> None:
        """The CPU first: it is there at once."""
        self.setup = setup
        ends = (self._ending, self._stop)
        self._roster = Roster(setup, self._crashes, lambda: any(end.is_set() for end in ends))
        self._cpu: LiteRt | None = None
        self._guest: Watched | None = None
        self._open_first(sorted(setup.delegates, key=lambda name: name != UNGUARDED))
        used = self._running()
        self.input, self.output = used.inputs[0], used.outputs[0]
        self.outputs: tuple[TensorSpec, ...] = used.outputs
        if setup.delegates == (UNGUARDED,):
            self._roster.settled.set()
        else:
            mine = (self._roster,)
            Thread(target=self._look_after, args=mine, name="delegates", daemon=True).start()

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """The delegates that were asked for and are not used, each with the latest reason."""
        return self._roster.refused

    @property
    def notes(self) -> dict[str, str]:
        """What there is to say of the delegate that is used."""
        delegate, guest = self.delegate, self._guest
        note = guest.note if guest is not None else None
        return {} if note is None else {delegate: note}

    def settle(self, limit_s: float | None = None) -> None:
        """Wait until each delegate before the one that is used has been tried once."""
        if not self._roster.settled.wait(limit_s):
            names = ", ".join(refusal.delegate for refusal in self.refused)
            log.warning("still being opened: %s; %s answers meanwhile", names, self.delegate)

    def infer(self, tensor: Tensor, made_for: Model | None = None) -> tuple[Tensor, ...]:
        """The input tensor -> all raw outputs. Callers take turns.

        Where the delegate fails, the next one answers. Raises NoDelegateError where none is left,
        and ExchangedError where the tensor was made for another model.
        """
        with self._turns:
            if self._ending.is_set():
                raise TransientError("the daemon is ending")
            if made_for is not None and made_for is not self.setup.model:
                raise ExchangedError(f"{made_for.path}: runs here no more")
            try:
                while True:
                    self._began_s = time.monotonic()
                    try:
                        return self._infer(tensor)
                    except NoDelegateError:
                        raise
                    except Exception as error:  # noqa: BLE001  whatever a delegate raises
                        self._began_s = None
                        if self._ending.is_set():
                            raise TransientError("the daemon is ending") from None
                        self._give_up(error)
            finally:
                self._began_s = None

    def _infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        guest = self._guest
        if guest is None:
            return self._running().infer(tensor)
        answers = guest.infer(tensor)
        if guest.answers == PROVEN:
            self._roster.forgive(self.delegate)
        return answers

    def _running(self) -> LiteRt | Watched:
        used = self._guest or self._cpu
        if used is None:
            raise NoDelegateError(f"{self.setup.model.path}: nothing runs this model any more")
        return used

    def busy_s(self, now_s: float) -> float:
        """How long the inference that runs now has been running; 0 where none does."""
        began_s = self._began_s
        return 0.0 if began_s is None else now_s - began_s

    def bare(self) -> Callable[[], None]:
        """The interpreter's invoke alone, as a benchmark's yardstick: nothing guards it."""
        return self._running().invoke

    def exchange(self, setup: Setup, then: Callable[[], None]) -> None:
        """Another model, or other delegates. An accelerator may let only one in, so what runs is
        closed before the new one opens. Inferences wait meanwhile, unless the CPU can go on.

        `then` is called before the first of them. Raises FatalError where the new one cannot run
        or `then` raises that; what ran before runs on then. Raises NoDelegateError where it
        cannot.
        """
        look_over(setup, tried=setup.model is self.setup.model)
        try:
            with self._door, self._turns:
                self._exchange(setup, then)
        finally:
            self.settle(PATIENCE_S)

    def _exchange(self, setup: Setup, then: Callable[[], None]) -> None:
        before = self.setup
        self._change(setup)
        try:
            self._begin(setup)
            then()
        except FatalError:
            self._change(before)
            try:
                self._begin(before)
            except FatalError as error:
                raise NoDelegateError(str(error)) from None
            raise
        finally:
            self.changes += 1

    def _change(self, setup: Setup) -> None:
        self._shut()
        if setup.memory != self._crashes.folder:
            self._crashes = Crashes(setup.memory)

    def _shut(self) -> None:
        """A delegate's device is free when its process has ended."""
        self._roster.close()
        if self._guest is not None:
            self._guest.close()
        self._guest = self._cpu = None

    def stop(self) -> None:
        """From any thread: no inference begins any more; who waits for one is turned away."""
        self._ending.set()

    def close(self) -> None:
        """Nothing runs any more, and no delegate is tried again. Waits for who infers."""
        self.stop()
        with self._turns:
            self._shut()

    def _give_up(self, error: Exception) -> None:
        """The CPU goes on, where it may; else the delegates that follow are opened now."""
        failed = self.delegate
        if self._guest is None:
            self._cpu = None
        else:
            self._roster.opener.blame(failed, error)
            self._guest.kill()
            self._guest.close()
            self._guest = None
        self._roster.refuse(failed, f"failed while running: {line(error)}")
        if self._cpu is not None:
            self._use(UNGUARDED, self._cpu)
        else:
            place = self.setup.delegates.index(failed)
            try:
                self._open_first(self.setup.delegates[place + 1 :])
            except FatalError as none:
                raise NoDelegateError(str(none)) from None
        self.changes += 1

    def _open_first(self, names: Iterable[str]) -> None:
        """Use the first that is right. Raises FatalError where none is."""
        self.opening = True
        try:
            for name in names:
                try:
                    self._use(name, self._roster.opener.open(name))
                except FatalError as error:
                    self._roster.refuse(name, str(error))
                else:
                    return
        finally:
            self.opening = False
        path, reasons = self.setup.model.path, self._roster.reasons
        raise FatalError(f"{path}: no delegate runs this model: {reasons}")

    def _use(self, delegate: str, opened: Watched | LiteRt) -> None:
        if isinstance(opened, LiteRt):
            self._guest, self._cpu = None, opened
        else:
            self._guest = opened
        self.delegate = delegate
        self._roster.use(delegate)

    def _look_after(self, roster: Roster) -> None:
        """In a thread of its own: delegates that come before the one that is used are opened, and
        opened again when they failed."""
        while not roster.closed:
            name = roster.due()
            if name is None:
                continue
            try:
                self._take(name, roster.opener.open(name), roster)
            except FatalError as error:
                if not roster.closed:
                    roster.refuse(name, str(error))

    def _take(self, name: str, opened: Watched | LiteRt, roster: Roster) -> None:
        with self._turns:
            late = roster.closed or not roster.prefers(name)
            left = opened if late else self._guest
            if not late:
                self._use(name, opened)
                self.changes += 1
        if isinstance(left, Watched):
            left.close()


def open_runtime(
    model: Model,
    delegates: tuple[str, ...] = ("cpu",),
    limits: Limits = USUAL,
    state_dir: Path | None = None,
) -> Runtime:
    """Pre-flight, first load in a child process, then the delegates in order; waits for each.

    Crashes are remembered in `state_dir`. Raises FatalError where the model is not sound or no
    delegate is left, with every reason.
    """
    return start(Setup(model, delegates, limits, state_dir), patience_s=None)


def start(
    setup: Setup, stop: Event | None = None, patience_s: float | None = PATIENCE_S
) -> Runtime:
    """The same, by the setup. A delegate that takes longer to open than `patience_s` comes later,
    where the CPU can go on without it; `stop` ends the waiting for one where it cannot."""
    look_over(setup)
    runtime = Runtime(setup, stop)
    runtime.settle(patience_s)
    runtime.changes = 0
    return runtime
