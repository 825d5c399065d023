"""A float network and pictures -> int8 candidates, compared with float.

They are compared on pictures that do not measure, a third of which did not calibrate either.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converter import ranges
from converter.bias import correct
from converter.choice import CORRECTED, Candidate, best
from converter.data import Pixels
from converter.equalize import equalized
from converter.flatbuffer import Ranges, float_operators, unpack, with_ranges
from converter.measure import Feed, Scores, divergences, scores
from converter.options import Options
from converter.preparation import Prepared
from converter.rounding import round_for
from converter.trial import try_file
from converter.variance import variances
from converter.workshop import Workshop
from edge.errors import FatalError
from edge.model import Contract
from edge.runtime.litert import LiteRt

CORRECTION_PICTURES = 32
"""8 to 100 gave the same accuracy in a trial."""

PERCENTILE = 0.99999

ROUNDED = " + weight rounding"
TUNED = " + fine-tuning"


@dataclass(frozen=True, slots=True)
class Bench:
    """All that recovery works with."""

    workshop: Workshop
    scratch: Path
    contract: Contract
    calibration: Pixels
    choosing: Pixels
    unseen: npt.NDArray[np.bool_]
    """(n,) which of the choosing pictures do not calibrate."""
    options: Options
    unlabelled: Pixels | None = None
    """More pictures, to learn from."""
    in_float: tuple[str, ...] = ()
    """Tensors that are not quantised."""

    def feed(self, pixels: Pixels) -> Feed:
        """Pictures as this network takes them."""
        return Feed(pixels, self.contract.input)

    def called(self, estimator: str) -> str:
        """A candidate's name, by how its ranges were found."""
        return f"{estimator}, variance in float" if self.in_float else estimator


@dataclass(frozen=True, slots=True)
class Made:
    """An int8 flatbuffer that nobody measured yet."""

    name: str
    network: bytes
    """The float flatbuffer that it was made from."""
    flatbuffer: bytes
    started: float
    """time.monotonic() when its making began."""
    learned: bool = False
    """Whether it was fine-tuned with the pictures that calibrate."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was tried."""

    candidates: tuple[Candidate, ...]
    """The simplest first."""
    notes: tuple[str, ...] = ()
    """What could not be tried, and why."""


def recovered(bench: Bench, prepared: Prepared) -> Recovered:
    """Every candidate that the effort asks for.

    Raises FatalError where not even the plain one can be made and run.
    """
    network, effort = prepared.network, bench.options.effort
    reference = reference_scores(bench, network)
    feed, progress = bench.feed(bench.calibration), bench.options.progress
    seen = ranges.observe(network, feed, progress)
    first = ("min/max", seen.extremes)
    found = list(_from_ranges(bench, network, (first,), reference))
    if bench.options.full_integer:
        _without_float(found[0])
    elif inside := variances(network):
        apart = replace(bench, in_float=inside)
        others = list(_from_ranges(apart, network, (first,), reference))
        chosen = best(found + others)
        bench = apart if any(chosen is one for one in others) else bench
        found += others
    if effort == "fast":
        return Recovered(tuple(found))
    even = equalized(network, feed, progress)
    rows = (("equalised, min/max", ranges.observe(even, feed, progress).extremes),)
    found += _from_ranges(bench, even, rows, reference)
    found += _from_ranges(bench, network, _narrowed(bench, network, seen), reference)
    if effort != "max":
        return Recovered(tuple(found))
    found += _rounded(bench, network, first, reference)
    found += _rounded(bench, even, rows[0], reference)
    try:
        found.append(_tuned(bench, found, reference))
    except FatalError as error:
        return Recovered(tuple(found), (f"no fine-tuning: {error}",))
    return Recovered(tuple(found))


def _without_float(candidate: Candidate) -> None:
    """Raises FatalError with the first operator that has no int8 kernel."""
    for row in float_operators(candidate.flatbuffer):
        raise FatalError(
            f"--full-integer: TFLite has no int8 kernel for {row['operator']}, which layer "
            f"{row['layer']!r} needs: replace it, or leave --full-integer out"
        )


def _from_ranges(
    bench: Bench, network: bytes, named: Iterable[tuple[str, Ranges]], reference: Scores
) -> Iterator[Candidate]:
    """Each set of ranges, plain and with its biases corrected."""
    for estimator, found in named:
        started, name = time.monotonic(), bench.called(estimator)
        plain = quantize(bench, with_ranges(network, found))
        yield judge(bench, Made(name, network, plain, started), reference)
        if bench.options.effort == "fast":
            return
        yield _corrected(bench, Made(name, network, plain, time.monotonic()), reference)


def _corrected(bench: Bench, made: Made, reference: Scores) -> Candidate:
    few = bench.feed(bench.calibration[:CORRECTION_PICTURES])
    flatbuffer = correct(made.network, made.flatbuffer, few, bench.options.progress)
    name = f"{made.name}{CORRECTED}"
    return judge(bench, replace(made, name=name, flatbuffer=flatbuffer), reference)


def _rounded(
    bench: Bench, network: bytes, row: tuple[str, Ranges], reference: Scores
) -> Iterator[Candidate]:
    started = time.monotonic()
    feed = bench.feed(bench.calibration)
    plain = quantize(bench, with_ranges(network, row[1]))
    better = round_for(network, plain, feed, bench.options.progress)
    name = f"{bench.called(row[0])}{ROUNDED}"
    yield _corrected(bench, Made(name, network, better, started), reference)


def _tuned(bench: Bench, found: list[Candidate], reference: Scores) -> Candidate:
    """The closest candidate so far, trained. Raises FatalError where it cannot be.

    Not those with rounded weights: learning nudges weights over their nearest half step, and
    theirs are far from it.
    """
    free = (one for one in found if one.corrected and ROUNDED not in one.name)
    start = min(free, key=lambda one: one.divergence)
    started = time.monotonic()
    paths = {name: bench.scratch / f"tune.{name}" for name in ("network", "int8", "out")}
    paths["network"].write_bytes(start.network)
    paths["int8"].write_bytes(start.flatbuffer)
    request = {name: str(path) for name, path in paths.items()} | {
        "pixels": _saved(bench),
        "contract": bench.contract.input.model_dump(),
        "kind": bench.contract.output.kind,
    }
    bench.workshop.ask("tune", "fine-tuning", request)
    name = f"{start.name.removesuffix(CORRECTED)}{TUNED}"
    tuned = Made(name, start.network, paths["out"].read_bytes(), started, learned=True)
    return _corrected(bench, tuned, reference)


def _saved(bench: Bench) -> list[str]:
    """Files with the pictures to learn from: those that calibrate, and those given for it."""
    sets = [bench.calibration] + ([] if bench.unlabelled is None else [bench.unlabelled])
    paths = [bench.scratch / f"tune.{number}.npy" for number in range(len(sets))]
    for path, pixels in zip(paths, sets, strict=True):
        np.save(path, pixels)
    return [str(path) for path in paths]


def _narrowed(bench: Bench, network: bytes, seen: ranges.Observed) -> Iterator[tuple[str, Ranges]]:
    """The other estimators of the ranges."""
    if bench.options.effort == "max":
        yield "moving average", seen.average
    feed = bench.feed(bench.calibration)
    counts = ranges.histograms(network, feed, seen.extremes, bench.options.progress)
    model = unpack(network)
    for name, rule in (
        ("99.999 %", lambda one, span: ranges.percentile(one, span, PERCENTILE)),
        ("least squares", ranges.least_error),
    ):
        found = {index: rule(counts[index], span) for index, span in seen.extremes.items()}
        yield name, ranges.finished(found, model, bench.contract.input)


def reference_scores(bench: Bench, network: bytes) -> Scores:
    """What the float network says of the choosing pictures."""
    lite = LiteRt("float model", network, threads=2)
    return scores(lite, bench.feed(bench.choosing), "comparing", bench.options.progress)


def judge(bench: Bench, made: Made, reference: Scores) -> Candidate:
    """Measure it on the choosing pictures."""
    lite = LiteRt(made.name, made.flatbuffer, threads=2)
    feed = bench.feed(bench.choosing)
    answers = scores(lite, feed, "comparing", bench.options.progress)
    return Candidate(
        made.name,
        made.network,
        made.flatbuffer,
        divergences(bench.contract, reference, answers),
        answers.argmax(axis=1) == reference.argmax(axis=1),
        time.monotonic() - made.started,
        np.full(len(answers), made.learned) & ~bench.unseen,
    )


def quantize(bench: Bench, ranged: bytes) -> bytes:
    """A float flatbuffer with ranges -> int8, tried in a child process before anyone opens it.

    Raises FatalError where TensorFlow cannot, or the interpreter does not take the result.
    """
    source, target = bench.scratch / "ranged.tflite", bench.scratch / "int8.tflite"
    source.write_bytes(ranged)
    request = {
        "ranged": str(source),
        "out": str(target),
        "io": bench.options.io,
        "in_float": bench.in_float,
    }
    bench.workshop.ask("quantize", "quantising", request)
    try_file(target, "int8 model")
    return target.read_bytes()
