"""The ordered list of delegates -> the first one that is right, and the next when it fails."""

import gc
import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

from edge.errors import FatalError, HedgerowError, TransientError
from edge.model import Model
from edge.runtime import verify
from edge.runtime.bounded import Bounded, Hung
from edge.runtime.crashes import Crashes
from edge.runtime.delegates import cpu, open_delegate
from edge.runtime.litert import Interpreter
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
from edge.text import shown
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

LONGEST_RETRY_S = 3600.0


class Runtime:
    """One interpreter behind one delegate, shared by all sources."""

    def __init__(self, setup: Setup) -> None:
        """Raises FatalError where no delegate is left, with every reason."""
        self._turns = Turns()
        self._door = Lock()
        """Held while an accelerator is opened beside what runs: an exchange waits for that."""
        self._crashes = Crashes(setup.memory)
        self._ending = False
        self._began_s: float | None = None
        self.opening = False
        """Whether another delegate is being opened, which may take its `open_s`."""
        self.changes = 0
        """How often the delegate changed since the start."""
        self._begin(setup)

    def _begin(self, setup: Setup) -> None:
        self.setup = setup
        self._refused: dict[str, str] = {}
        self._waits_s: dict[str, float] = {}
        self._closed = Event()
        opened = self._open_from(0)
        self._thread: Bounded = opened[0]
        self._interpreter: Interpreter | None = opened[1]
        self.delegate = opened[2]
        self.input: TensorSpec = opened[1].inputs[0]
        self.outputs: tuple[TensorSpec, ...] = opened[1].outputs
        self.output: TensorSpec = self.outputs[0]

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """The delegates that were asked for and are not used, each with the latest reason."""
        return tuple(Refusal(name, reason) for name, reason in self._refused.items())

    def infer(self, tensor: Tensor, made_for: Model | None = None) -> tuple[Tensor, ...]:
        """The input tensor -> all raw outputs. Callers take turns.

        Where the delegate raises or hangs, the next one answers. Raises NoDelegateError where
        none is left, and ExchangedError where the tensor was made for another model.
        """
        with self._turns:
            if self._ending:
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
                        if self._ending:
                            raise TransientError("the daemon is ending") from None
                        self._give_up(f"failed while running: {_line(error)}")
            finally:
                self._began_s = None

    def _infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        interpreter = self._running()
        if self.delegate == UNGUARDED:
            return interpreter.infer(tensor)
        return self._thread.call(self.setup.limits.invoke_s, interpreter.infer, tensor)

    def _running(self) -> Interpreter:
        if self._interpreter is None:
            raise NoDelegateError(f"{self.setup.model.path}: nothing runs this model any more")
        return self._interpreter

    def busy_s(self, now_s: float) -> float:
        """How long the inference that runs now has been running; 0 where none does."""
        began_s = self._began_s
        return 0.0 if began_s is None else now_s - began_s

    def bare(self) -> Callable[[], None]:
        """The interpreter's invoke alone, as a benchmark's yardstick: nothing guards it."""
        return self._running().invoke

    def exchange(self, setup: Setup, then: Callable[[], None]) -> None:
        """Another model, or other delegates. An accelerator may let only one in, so what runs is
        closed before the new one opens; inferences wait meanwhile.

        `then` is called before the first of them. Raises FatalError where the new one cannot run
        or `then` raises that; what ran before runs on then. Raises NoDelegateError where it
        cannot.
        """
        look_over(setup, tried=setup.model is self.setup.model)
        with self._door, self._turns:
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
            self._crashes.close()
            self._crashes = Crashes(setup.memory)

    def _shut(self) -> None:
        """The delegate's library lets its device go when nothing refers to the interpreter."""
        self._closed.set()
        self._thread.close()
        self._interpreter = None
        gc.collect()

    def stop(self) -> None:
        """From any thread: no inference begins any more; who waits for one is turned away."""
        self._ending = True

    def close(self) -> None:
        """Nothing runs any more, and no delegate is tried again. Waits for who infers."""
        self.stop()
        self._closed.set()
        with self._turns:
            self._shut()
        self._crashes.close()

    def _give_up(self, reason: str) -> None:
        failed = self.delegate
        self._refuse(failed, reason)
        self._thread.close()
        self._interpreter = None
        self.opening = True
        try:
            opened = self._open_from(self.setup.delegates.index(failed) + 1)
        except FatalError as error:
            raise NoDelegateError(str(error)) from None
        finally:
            self.opening = False
        self._use(*opened)
        again = (failed, self._closed)
        Thread(target=self._retry, args=again, name=f"retry {failed}", daemon=True).start()

    def _use(self, thread: Bounded, interpreter: Interpreter, delegate: str) -> None:
        self._thread, self._interpreter, self.delegate = thread, interpreter, delegate
        self._crashes.using(delegate)
        self.changes += 1

    def _open_from(self, first: int) -> tuple[Bounded, Interpreter, str]:
        for delegate in self.setup.delegates[first:]:
            try:
                return self._open(delegate)
            except FatalError as error:
                self._refuse(delegate, str(error))
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self._refused.items())
        raise FatalError(f"{self.setup.model.path}: no delegate runs this model: {reasons}")

    def _open(self, delegate: str) -> tuple[Bounded, Interpreter, str]:
        """Raises FatalError with the reason where the delegate is not to be used."""
        skip = self._crashes.refusal(delegate)
        if skip is not None:
            raise FatalError(skip)
        self._crashes.using(delegate)
        thread = Bounded(f"inference on {delegate}")
        try:
            opened = thread.call(self.setup.limits.open_s, self._open_verified, delegate)
        except Hung as error:
            raise FatalError(f"does not start: {error}") from None
        except Exception as error:  # noqa: BLE001  whatever a delegate raises
            thread.close()
            raise FatalError(_line(error)) from None
        return thread, opened, delegate

    def _open_verified(self, delegate: str) -> Interpreter:
        model, threads = self.setup.model, self.setup.limits.threads
        interpreter = open_delegate(delegate, model, threads)
        if model.golden is not None:
            verify.replay(interpreter, model.golden)
        whole = model.golden is not None and verify.covers(model.golden, interpreter)
        if delegate != "cpu" and not whole:
            verify.agree(interpreter, cpu(model, threads))
        return interpreter

    def _refuse(self, delegate: str, reason: str) -> None:
        self._refused[delegate] = reason
        log.warning("delegate %s refused: %s", delegate, reason)

    def _retry(self, delegate: str, closed: Event) -> None:
        """In a thread of its own, until the delegate is right again."""
        limits, waits_s = self.setup.limits, self._waits_s
        while not closed.wait(waits_s.setdefault(delegate, limits.retry_s)):
            wait_s = min(2 * waits_s[delegate], LONGEST_RETRY_S)
            waits_s[delegate] = wait_s
            with self._door:
                if closed.is_set():
                    return
                try:
                    opened = self._open(delegate)
                except FatalError as error:
                    self._refuse(delegate, f"{error}; trying again in {wait_s:.0f} s")
                    self._crashes.using(self.delegate)
                    continue
                self._take_back(opened, closed)
                return

    def _take_back(self, opened: tuple[Bounded, Interpreter, str], closed: Event) -> None:
        delegate = opened[2]
        with self._turns:
            order = self.setup.delegates.index
            if closed.is_set() or order(delegate) > order(self.delegate):
                opened[0].close()
                return
            self._thread.close()
            self._use(*opened)
            self._refused.pop(delegate, None)
        log.warning("delegate %s is used again", delegate)


def _line(error: Exception) -> str:
    """What Hedgerow raises on purpose speaks for itself."""
    if isinstance(error, HedgerowError | Hung):
        return str(error)
    return shown(f"unexpected {type(error).__name__}: {error}")


def open_runtime(
    model: Model,
    delegates: tuple[str, ...] = ("cpu",),
    limits: Limits = USUAL,
    state_dir: Path | None = None,
) -> Runtime:
    """Pre-flight, first load in a child process, then the delegates in order.

    Crashes are remembered in `state_dir`. Raises FatalError where the model is not sound or no
    delegate is left, with every reason.
    """
    return start(Setup(model, delegates, limits, state_dir))


def start(setup: Setup) -> Runtime:
    """The same, by the setup."""
    look_over(setup)
    return Runtime(setup)
