"""A model and the delegates it may run on; what is looked at before an interpreter opens it."""

from dataclasses import dataclass
from pathlib import Path

from edge.errors import FatalError, TransientError
from edge.flatbuffer import preflight, schema
from edge.model import Model
from edge.runtime.trial import try_out

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


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Setup:
    """A model, and what it is to run on."""

    model: Model
    delegates: tuple[str, ...] = ("cpu",)
    limits: Limits = USUAL
    state_dir: Path | None = None
    """Where a delegate's crashes are remembered; None: nowhere."""

    def same(self, other: "Setup") -> bool:
        """Whether nothing would run differently."""
        return self._key() == other._key()

    def _key(self) -> tuple[object, ...]:
        model = self.model
        whose = (model.path, model.sha256, model.contract)
        return (*whose, self.delegates, self.limits, self.state_dir)

    @property
    def memory(self) -> Path | None:
        """The CPU alone has no driver that crashes, and needs no folder."""
        return self.state_dir if any(name != UNGUARDED for name in self.delegates) else None


class NoDelegateError(TransientError):
    """Nothing is left that could infer: no source is to blame, and only a new start may help."""


class ExchangedError(TransientError):
    """The tensor was made for a model that does not run here any more."""


def look_over(setup: Setup, tried: bool = False) -> None:
    """Pre-flight, then, unless it was tried, a first load in a child process. Raises FatalError."""
    model = setup.model
    edgetpu = any(name.startswith("edgetpu") for name in setup.delegates)
    compiled = (schema.EDGETPU,) if edgetpu else ()
    try:
        custom = preflight.check(model.flatbuffer, (schema.POSTPROCESS, *compiled))
    except FatalError as error:
        raise FatalError(f"{model.path}: {error}; copy or convert it again") from None
    if not tried and schema.EDGETPU not in custom:  # else only its own delegate can run it
        try_out(str(model.path), model.flatbuffer)
