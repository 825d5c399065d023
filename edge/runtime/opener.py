"""A delegate's name -> the delegate, open in its own process, proved, and watched from then on."""

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock

import numpy as np

from edge.errors import FatalError, HedgerowError
from edge.golden import Golden
from edge.runtime import verify
from edge.runtime.crashes import Crashes
from edge.runtime.delegates import cpu, parse
from edge.runtime.guest import Crashed, Guest, Hung
from edge.runtime.litert import LiteRt
from edge.runtime.setup import UNGUARDED, Setup
from edge.runtime.tempo import Pace, timed
from edge.runtime.watched import Watched
from edge.text import shown
from edge.types import Tensor

log = logging.getLogger(__name__)


class Opener:
    """Opens a setup's delegates, from any thread, one at a time; can be stopped."""

    def __init__(self, setup: Setup, crashes: Crashes, ending: Callable[[], bool]) -> None:
        """`ending` is asked now and then while a delegate is waited for."""
        self._setup = setup
        self._crashes = crashes
        self._ending = ending
        self._stopped = Event()
        self._lock = Lock()
        self._opening: Guest | None = None

    def open(self, delegate: str) -> Watched | LiteRt:
        """The CPU in our own process. Raises FatalError with the reason where it is not to be
        used."""
        parse(delegate)
        if delegate == UNGUARDED:
            return _cpu(self._setup)
        skip = self._crashes.refusal(delegate)
        if skip is not None:
            raise FatalError(skip)
        limits = self._setup.limits
        try:
            guest = Guest(delegate, self._setup.model, limits.threads)
        except OSError as error:
            raise FatalError(f"its process does not start: {error.strerror}") from None
        with self._lock:
            self._opening = guest
        try:
            guest.open(limits.open_s, self._is_over)
            made = _prove(guest, self._setup)
        except BaseException as error:
            guest.kill()
            guest.close()
            if not isinstance(error, Exception):
                raise
            self.blame(delegate, error)
            how = "does not start: " if isinstance(error, Hung) else ""
            raise FatalError(how + line(error)) from None
        finally:
            with self._lock:
                self._opening = None
        guest.proved(limits.invoke_s)
        return made

    def blame(self, delegate: str, error: Exception) -> None:
        """A crash is counted, over restarts too."""
        if isinstance(error, Crashed) and not self._is_over():
            try:
                self._crashes.count(delegate)
            except OSError as problem:
                log.warning("a crash of %s is not remembered: %s", delegate, problem)

    def forgive(self, delegate: str) -> None:
        """It has worked for long."""
        with suppress(OSError):
            self._crashes.forgive(delegate)

    def stop(self) -> None:
        """What is being opened is killed; nothing is opened any more."""
        self._stopped.set()
        with self._lock:
            if self._opening is not None:
                self._opening.kill()

    def _is_over(self) -> bool:
        return self._stopped.is_set() or self._ending()


def _cpu(setup: Setup) -> LiteRt:
    interpreter = cpu(setup.model, setup.limits.threads)
    if setup.model.golden is not None:
        verify.replay(interpreter, setup.model.golden, setup.model.contract)
    return interpreter


def _prove(guest: Guest, setup: Setup) -> Watched:
    """Golden vectors, or the CPU's answers where they do not hold every output. Raises FatalError
    where it is wrong, or would only be in the way of the CPU."""
    model = setup.model
    whole = model.golden is not None and verify.covers(model.golden, guest)
    spare = UNGUARDED in setup.delegates
    if spare and guest.claims is False:
        raise FatalError("it takes none of the model's operators: the CPU computes them all")
    if model.golden is not None:
        verify.replay(guest, model.golden, model.contract)
    reference = cpu(model, setup.limits.threads) if spare or not whole else None
    inputs = list(verify.seeded(guest.inputs[0]))
    cpu_s = timed(reference, inputs) if reference is not None else None
    if reference is not None and not whole:
        verify.agree(guest, reference, model.contract)
    pace = Pace(timed(guest, inputs), cpu_s, spare)
    known = model.golden if whole or reference is None else _known(reference, inputs)
    return Watched(guest, known, pace, model.contract)


def _known(reference: LiteRt, inputs: list[Tensor]) -> Golden | None:
    """The CPU's answers, to be compared again later; None where an output has no rows."""
    if any(not spec.shape for spec in reference.outputs):
        return None
    answers = [reference.infer(tensor) for tensor in inputs]
    first, *others = (np.stack([row[0] for row in rows]) for rows in zip(*answers, strict=True))
    return Golden(np.concatenate(inputs), first, tuple(others))


def line(error: Exception) -> str:
    """What Hedgerow raises on purpose speaks for itself."""
    if isinstance(error, HedgerowError):
        return str(error)
    return shown(f"unexpected {type(error).__name__}: {error}")
