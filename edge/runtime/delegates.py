"""The ordered list of delegates -> the first one that gives the model's golden answers."""

import logging
from dataclasses import dataclass
from threading import Lock

import numpy as np

from edge.errors import FatalError
from edge.model import Golden, Model
from edge.runtime.litert import LiteRt
from edge.types import Tensor, TensorSpec

log = logging.getLogger(__name__)

GOLDEN_STEPS = 8
"""How many quantisation steps an output may lie from its golden value: XNNPACK and the
reference kernels were measured up to 8 apart on sound models, x86-64 and arm64 up to 1."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A delegate that was asked for and is not used."""

    delegate: str
    reason: str


class Runtime:
    """One interpreter behind one delegate, shared by all sources."""

    def __init__(self, interpreter: LiteRt, delegate: str, refused: tuple[Refusal, ...]) -> None:
        self._interpreter = interpreter
        self._lock = Lock()
        self.delegate = delegate
        self.refused = refused
        self.input: TensorSpec = interpreter.inputs[0]
        self.output: TensorSpec = interpreter.outputs[0]

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """The input tensor -> all raw outputs. Callers take turns."""
        with self._lock:
            return self._interpreter.infer(tensor)


def open_runtime(model: Model, delegates: tuple[str, ...] = ("cpu",), threads: int = 2) -> Runtime:
    """Try the delegates in order. Raises FatalError where none is left, with every reason."""
    refused: list[Refusal] = []
    for delegate in delegates:
        try:
            interpreter = _open(model, delegate, threads)
            _verify(interpreter, model.golden)
        except FatalError as error:
            refused.append(Refusal(delegate, str(error)))
            log.warning("delegate %s refused: %s", delegate, error)
            continue
        return Runtime(interpreter, delegate, tuple(refused))
    reasons = "; ".join(f"{r.delegate}: {r.reason}" for r in refused)
    raise FatalError(f"{model.path}: no delegate runs this model: {reasons}")


def _open(model: Model, delegate: str, threads: int) -> LiteRt:
    match delegate:
        case "cpu":
            return LiteRt(str(model.path), model.flatbuffer, threads)
        case _:
            raise FatalError(f"unknown delegate {delegate!r}; known: cpu")


def _verify(interpreter: LiteRt, golden: Golden | None) -> None:
    """Replay the golden vectors. Raises FatalError where the answers differ."""
    if golden is None:
        return
    if golden.inputs.shape[1:] != interpreter.inputs[0].shape[1:]:
        raise FatalError(f"golden inputs have the shape {list(golden.inputs.shape[1:])}")
    for image, expected in zip(golden.inputs, golden.outputs, strict=True):
        answer = interpreter.infer(image[None])[0][0]
        worst = float(np.abs(answer.astype(np.float64) - expected.astype(np.float64)).max())
        steps = worst if interpreter.outputs[0].scale else worst * 255
        if steps > GOLDEN_STEPS:
            raise FatalError(
                f"its answers differ from the golden vectors by {steps:.0f} quantisation steps "
                f"(at most {GOLDEN_STEPS} are allowed)"
            )
