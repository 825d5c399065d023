"""A delegate's answers against the right ones: golden vectors, or the CPU on seeded inputs."""

from collections.abc import Iterator

import numpy as np

from edge.errors import FatalError
from edge.model import Contract, Golden
from edge.runtime import answers
from edge.runtime.litert import Interpreter
from edge.types import Fit, Tensor, TensorSpec

STEPS = 8
"""How many quantisation steps an output may lie from its golden value: XNNPACK and the
reference kernels were measured up to 8 apart on sound models, x86-64 and arm64 up to 1."""
SHARE = 0.25
"""Of what the right values span, they may not be further off: some delegates compute in float16."""
SMALLEST = 1e-4
"""What float16 makes of smaller numbers is its own."""
SEED = 20261122
PICTURES = 4
CELLS = 8
"""Seeded inputs are noise of 8 by 8 cells, for networks see shapes, not snow."""

WHOLE = Fit(0.0, 0.0, 1.0, 1.0)
Limit = tuple[float, float]
"""The size of a step, and the steps that are allowed."""


def replay(interpreter: Interpreter, golden: Golden, contract: Contract | None = None) -> None:
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
    inputs = [image[None] for image in golden.inputs]
    _compare(interpreter, inputs, outputs, contract, "the golden vectors")


def covers(golden: Golden, interpreter: Interpreter) -> bool:
    """Whether the golden vectors hold every output. Those of earlier versions hold the first."""
    return 1 + len(golden.others) == len(interpreter.outputs)


def agree(
    interpreter: Interpreter, reference: Interpreter, contract: Contract | None = None
) -> None:
    """Raises FatalError where an answer to a seeded input differs from the reference's."""
    inputs = list(seeded(reference.inputs[0]))
    rows = [reference.infer(picture) for picture in inputs]
    expected = tuple(np.concatenate(answers) for answers in zip(*rows, strict=True))
    _compare(interpreter, inputs, expected, contract, "the CPU's")


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


def _compare(
    interpreter: Interpreter,
    inputs: list[Tensor],
    expected: tuple[Tensor, ...],
    contract: Contract | None,
    whose: str,
) -> None:
    """`expected` holds (n, ...) for each output that is known."""
    limits = [
        [_allowed(part, spec) for part in answers.parts(right, contract)]
        for right, spec in zip(expected, interpreter.outputs, strict=False)
    ]
    whole = contract is not None and len(expected) == len(interpreter.outputs)
    decode = answers.decoder(contract, interpreter.outputs) if contract and whole else None
    for number, image in enumerate(inputs):
        given = interpreter.infer(image)
        right = tuple(output[number : number + 1] for output in expected)
        for place, (one, other) in enumerate(zip(given, right, strict=False)):
            _compare_output(one, other, limits[place], contract, whose)
        if decode is not None:
            answers.compare(decode(given, WHOLE), decode(right, WHOLE), whose)


def _compare_output(
    given: Tensor, right: Tensor, limits: list[Limit], contract: Contract | None, whose: str
) -> None:
    if given.shape != right.shape:
        raise FatalError(
            f"its answer has the shape {list(given.shape[1:])}, not {list(right.shape[1:])}"
        )
    pairs = zip(answers.parts(given, contract), answers.parts(right, contract), strict=True)
    for (one, other), (step, allowed) in zip(pairs, limits, strict=True):
        difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
        worst = float(difference.max(initial=0)) / step
        if not worst <= allowed:  # a NaN differs too
            raise FatalError(
                f"its answers differ from {whose} by {worst:.3g} quantisation steps "
                f"(at most {allowed:.2g} are allowed)"
            )


def _allowed(right: Tensor, spec: TensorSpec) -> Limit:
    """Of values with one unit: what counts as a step, and how many they may differ by.

    Not more than a share of what the right values themselves span: the scores of a network that
    saw nothing much are small, and all of them could be 0 otherwise.
    """
    values = right.astype(np.float64)
    span = float(np.ptp(values)) if values.size else 0.0
    if spec.scale:
        return 1.0, max(1.0, min(STEPS, SHARE * span))
    step = max(1.0, span) / 255
    least = SMALLEST * (1 + 10 * float(np.abs(values).max(initial=0)))
    return step, max(least, min(STEPS * step, SHARE * span)) / step
