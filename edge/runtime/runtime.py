"""The ordered list of delegates -> the first one that is right, and the next when it fails."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from edge.errors import FatalError, TransientError
from edge.flatbuffer import preflight, schema
from edge.model import Model
from edge.runtime import verify
from edge.runtime.bounded import Bounded, Hung
from edge.runtime.crashes import Crashes
from edge.runtime.delegates import cpu, open_delegate
from edge.runtime.litert import Interpreter
from edge.runtime.trial import try_out
from edge.runtime.turns import Turns
from edge.types import Tensor, TensorSpec

log = logging.getLogger(__name__)

LONGEST_RETRY_S = 3600.0
UNGUARDED = "cpu"
"""Our own process's arithmetic, with no driver that could hang: it is called directly, because
handing a frame to a thread that can be given up, and its answer back, costs 0.2 ms."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A delegate that was asked for and is not used."""

    delegate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Limits:
    """When a delegate is given up, and when it gets another chance."""

    threads: int = 2
    """Inference threads of the cpu delegate."""
    invoke_s: float = 10.0
    """An inference that takes longer hangs."""
    open_s: float = 120.0
    """Loading and verifying; a GPU compiles its kernels in this time."""
    retry_s: float = 60.0
    """A delegate that failed while running is tried again after this, then after twice that."""


class Runtime:
    """One interpreter behind one delegate, shared by all sources."""

    def __init__(
        self, model: Model, delegates: tuple[str, ...], limits: Limits, crashes: Crashes
    ) -> None:
        """Raises FatalError where no delegate is left, with every reason."""
        self._model = model
        self._delegates = delegates
        self._limits = limits
        self._crashes = crashes
        self._turns = Turns()
        self._refused: dict[str, str] = {}
        self._waits_s: dict[str, float] = {}
        self._closed = Event()
        self._began_s: float | None = None
        self.opening = False
        """Whether another delegate is being opened, which may take its `open_s`."""
        self.changes = 0
        """How often the delegate changed since the start."""
        self._thread, self._interpreter, self.delegate = self._open_from(0)
        self.input: TensorSpec = self._interpreter.inputs[0]
        self.outputs: tuple[TensorSpec, ...] = self._interpreter.outputs
        self.output: TensorSpec = self._interpreter.outputs[0]

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """The delegates that were asked for and are not used, each with the latest reason."""
        return tuple(Refusal(name, reason) for name, reason in self._refused.items())

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The input tensor -> all raw outputs. Callers take turns.

        Where the delegate raises or hangs, the next one answers; raises TransientError where
        none is left.
        """
        with self._turns:
            try:
                while True:
                    self._began_s = time.monotonic()
                    try:
                        return self._infer(tensor)
                    except (FatalError, Hung) as error:
                        self._began_s = None
                        self._give_up(f"failed while running: {error}")
            finally:
                self._began_s = None

    def _infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if self.delegate == UNGUARDED:
            return self._interpreter.infer(tensor)
        return self._thread.call(self._limits.invoke_s, self._interpreter.infer, tensor)

    def busy_s(self, now_s: float) -> float:
        """How long the inference that runs now has been running; 0 where none does."""
        began_s = self._began_s
        return 0.0 if began_s is None else now_s - began_s

    def bare(self) -> Callable[[], None]:
        """The interpreter's invoke alone, as a benchmark's yardstick: nothing guards it."""
        return self._interpreter.invoke

    def close(self) -> None:
        """No delegate is tried again."""
        self._closed.set()
        self._thread.close()

    def _give_up(self, reason: str) -> None:
        failed = self.delegate
        self._refuse(failed, reason)
        self._thread.close()
        self.opening = True
        try:
            opened = self._open_from(self._delegates.index(failed) + 1)
        except FatalError as error:
            raise TransientError(str(error)) from None
        finally:
            self.opening = False
        self._use(*opened)
        Thread(target=self._retry, args=(failed,), name=f"retry {failed}", daemon=True).start()

    def _use(self, thread: Bounded, interpreter: Interpreter, delegate: str) -> None:
        self._thread, self._interpreter, self.delegate = thread, interpreter, delegate
        self._crashes.using(delegate)
        self.changes += 1

    def _open_from(self, first: int) -> tuple[Bounded, Interpreter, str]:
        for delegate in self._delegates[first:]:
            try:
                return self._open(delegate)
            except FatalError as error:
                self._refuse(delegate, str(error))
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self._refused.items())
        raise FatalError(f"{self._model.path}: no delegate runs this model: {reasons}")

    def _open(self, delegate: str) -> tuple[Bounded, Interpreter, str]:
        """Raises FatalError with the reason where the delegate is not to be used."""
        skip = self._crashes.refusal(delegate)
        if skip is not None:
            raise FatalError(skip)
        self._crashes.using(delegate)
        thread = Bounded(f"inference on {delegate}")
        try:
            opened = thread.call(self._limits.open_s, self._open_verified, delegate)
        except Hung as error:
            raise FatalError(f"does not start: {error}") from None
        except FatalError:
            thread.close()
            raise
        return thread, opened, delegate

    def _open_verified(self, delegate: str) -> Interpreter:
        model, threads = self._model, self._limits.threads
        interpreter = open_delegate(delegate, model, threads)
        if model.golden is not None:
            verify.replay(interpreter, model.golden, model.contract)
        whole = model.golden is not None and verify.covers(model.golden, interpreter)
        if delegate != "cpu" and not whole:
            verify.agree(interpreter, cpu(model, threads), model.contract)
        return interpreter

    def _refuse(self, delegate: str, reason: str) -> None:
        self._refused[delegate] = reason
        log.warning("delegate %s refused: %s", delegate, reason)

    def _retry(self, delegate: str) -> None:
        """In a thread of its own, until the delegate is right again."""
        while not self._closed.wait(self._waits_s.setdefault(delegate, self._limits.retry_s)):
            wait_s = min(2 * self._waits_s[delegate], LONGEST_RETRY_S)
            self._waits_s[delegate] = wait_s
            try:
                opened = self._open(delegate)
            except FatalError as error:
                self._refuse(delegate, f"{error}; trying again in {wait_s:.0f} s")
                self._crashes.using(self.delegate)
                continue
            with self._turns:
                if self._delegates.index(delegate) > self._delegates.index(self.delegate):
                    opened[0].close()
                    return
                self._thread.close()
                self._use(*opened)
                del self._refused[delegate]
            log.warning("delegate %s is used again", delegate)
            return


def open_runtime(
    model: Model,
    delegates: tuple[str, ...] = ("cpu",),
    limits: Limits = Limits(),
    state_dir: Path | None = None,
) -> Runtime:
    """Pre-flight, first load in a child process, then the delegates in order.

    Crashes are remembered in `state_dir`. Raises FatalError where the model is not sound or no
    delegate is left, with every reason.
    """
    compiled = (schema.EDGETPU,) if any(name.startswith("edgetpu") for name in delegates) else ()
    try:
        custom = preflight.check(model.flatbuffer, (schema.POSTPROCESS, *compiled))
    except FatalError as error:
        raise FatalError(f"{model.path}: {error}; copy or convert it again") from None
    if schema.EDGETPU not in custom:  # else only its own delegate can run it
        try_out(str(model.path), model.flatbuffer)
    others = [name for name in delegates if name != "cpu"]
    return Runtime(model, delegates, limits, Crashes(state_dir if others else None))
