"""A delegate's answers against the right ones: golden vectors, or the CPU on seeded inputs."""

from collections.abc import Iterator

import numpy as np

from edge.errors import FatalError
from edge.model import Golden
from edge.runtime.litert import Interpreter
from edge.types import Tensor, TensorSpec

STEPS = 8
"""How many quantisation steps an output may lie from its golden value: XNNPACK and the
reference kernels were measured up to 8 apart on sound models, x86-64 and arm64 up to 1."""
SEED = 20261122
PICTURES = 4
CELLS = 8
"""Seeded inputs are noise of 8 by 8 cells, for networks see shapes, not snow."""


def replay(interpreter: Interpreter, golden: Golden) -> None:
    """Raises FatalError where an answer differs from the golden vectors, in any output that they
    hold; `covers` says whether that is all of them."""
    spec = interpreter.inputs[0]
    if golden.inputs.shape[1:] != spec.shape[1:] or golden.inputs.dtype != spec.dtype:
        raise FatalError(
            f"golden inputs are {golden.inputs.dtype} {list(golden.inputs.shape[1:])}, the model "
            f"takes {spec.dtype} {list(spec.shape[1:])}"
        )
    outputs = (golden.outputs, *golden.others)
    if len(outputs) > len(interpreter.outputs):
        raise FatalError(
            f"there are golden vectors of {len(outputs)} outputs, the model has "
            f"{len(interpreter.outputs)}"
        )
    for number, image in enumerate(golden.inputs):
        answers = interpreter.infer(image[None])
        for answer, expected, output in zip(answers, outputs, interpreter.outputs, strict=False):
            _compare(answer[0], expected[number], output, "the golden vectors")


def covers(golden: Golden, interpreter: Interpreter) -> bool:
    """Whether the golden vectors hold every output. Those of earlier versions hold the first."""
    return 1 + len(golden.others) == len(interpreter.outputs)


def agree(interpreter: Interpreter, reference: Interpreter) -> None:
    """Raises FatalError where an answer to a seeded input differs from the reference's."""
    for picture in seeded(reference.inputs[0]):
        answers = interpreter.infer(picture)
        for answer, expected, spec in zip(
            answers, reference.infer(picture), reference.outputs, strict=True
        ):
            _compare(answer, expected, spec, "the CPU's")


def seeded(spec: TensorSpec) -> Iterator[Tensor]:
    """The same inputs every time, over the whole range of the tensor; floats from -1 to 1."""
    random = np.random.default_rng(SEED)
    for _ in range(PICTURES):
        noise = random.uniform(-1, 1, [min(side, CELLS) for side in spec.shape])
        for axis, side in enumerate(spec.shape):
            noise = np.take(noise, np.arange(side) * noise.shape[axis] // side, axis)
        if np.issubdtype(spec.dtype, np.integer):
            limits = np.iinfo(spec.dtype)
            noise = (noise + 1) / 2 * (limits.max - limits.min) + limits.min
        yield noise.astype(spec.dtype)


def _compare(answer: Tensor, expected: Tensor, spec: TensorSpec, whose: str) -> None:
    """An unquantised output counts as 255 steps over the range of the right answer, at least
    over 0..1."""
    right = expected.astype(np.float64)
    if answer.shape != expected.shape:
        raise FatalError(f"its answer has the shape {list(answer.shape)}, not {list(right.shape)}")
    worst = float(np.abs(answer.astype(np.float64) - right).max(initial=0))
    if not spec.scale:
        worst *= 255 / max(1.0, float(right.max(initial=0) - right.min(initial=0)))
    if not worst <= STEPS:  # a NaN differs too
        raise FatalError(
            f"its answers differ from {whose} by {worst:.0f} quantisation steps "
            f"(at most {STEPS} are allowed)"
        )
