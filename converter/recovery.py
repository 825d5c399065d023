"""A float network and pictures -> int8 candidates, compared with float.

They are compared on views of pictures that do not measure (converter.views).
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from converter import ranges
from converter.bench import Bench, Made, judge, quantize, reference_scores
from converter.bias import correct
from converter.choice import CORRECTED, Candidate, best
from converter.equalize import equalized
from converter.flatbuffer import Ranges, float_operators, unpack
from converter.measure import Scores
from converter.mixed import ends
from converter.preparation import Prepared
from converter.rounding import round_for
from converter.variance import variances
from edge.errors import FatalError

CORRECTION_PICTURES = 32
"""8 to 100 gave the same accuracy in a trial."""

PERCENTILE = 0.99999

Ranged = tuple[str, bytes, Ranges]
"""How the ranges were found, the float flatbuffer, the ranges of its activations."""

ROUNDED = " + weight rounding"
TUNED = " + fine-tuning"


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
    seen = ranges.observe(network, bench.feed(bench.calibration), bench.options.progress)
    bench, found = _simple(bench, network, seen.extremes, reference)
    if effort == "fast":
        return Recovered(tuple(found))
    found += _from_ranges(bench, _equalised(bench, network), reference)
    found += _from_ranges(bench, _narrowed(bench, network, seen), reference)
    if effort == "normal":
        return Recovered(tuple(found))
    start = min((one for one in found if one.corrected), key=lambda one: one.divergence)
    found.append(_rounded(bench, start, reference))
    notes: list[str] = []
    found += _spared("fine-tuning", _tuned(bench, start, reference), notes)
    if _changes_too_much(bench, best(found)):
        found += _spared("more layers in float", _mixed(bench, start, reference), notes)
    return Recovered(tuple(found), tuple(notes))


def _spared(what: str, made: Iterator[Candidate], notes: list[str]) -> Iterator[Candidate]:
    """Candidates that conversion can do without: a note says why there are no more."""
    try:
        yield from made
    except FatalError as error:
        notes.append(f"no {what}: {error}")


def _simple(
    bench: Bench, network: bytes, extremes: Ranges, reference: Scores
) -> tuple[Bench, list[Candidate]]:
    """By minima and maxima; with the variance of normalisations in float from here on, where
    that is closer."""
    plain = [("min/max", network, extremes)]
    found = list(_from_ranges(bench, plain, reference))
    if bench.options.full_integer:
        _without_float(found[0])
    elif inside := variances(network):
        apart = bench.leaving(inside)
        others = list(_from_ranges(apart, plain, reference))
        chosen = best(found + others)
        bench = apart if any(chosen is one for one in others) else bench
        found += others
    return bench, found


def _without_float(candidate: Candidate) -> None:
    """Raises FatalError with the first operator that has no int8 kernel."""
    for row in float_operators(candidate.flatbuffer):
        raise FatalError(
            f"--full-integer: TFLite has no int8 kernel for {row['operator']}, which layer "
            f"{row['layer']!r} needs: replace it, or leave --full-integer out"
        )


def _changes_too_much(bench: Bench, candidate: Candidate) -> bool:
    """Whether it changes more labels than accuracy may be lost, and float operators may be."""
    changed = 100 * (1 - candidate.agreement)
    return changed > bench.options.max_drop and not bench.options.full_integer


def _from_ranges(bench: Bench, named: Iterable[Ranged], reference: Scores) -> Iterator[Candidate]:
    """Each set of ranges, plain and with its biases corrected."""
    for estimator, network, found in named:
        started = time.monotonic()
        name = f"{estimator}, variance in float" if bench.in_float else estimator
        made = Made(name, network, found, quantize(bench, network, found), started)
        yield judge(bench, made, reference)
        if bench.options.effort == "fast":
            return
        yield _corrected(bench, replace(made, started=time.monotonic()), reference)


def _corrected(bench: Bench, made: Made, reference: Scores) -> Candidate:
    few = bench.feed(bench.calibration[:CORRECTION_PICTURES])
    flatbuffer = correct(made.network, made.flatbuffer, few, bench.options.progress)
    name = f"{made.name}{CORRECTED}"
    return judge(bench, replace(made, name=name, flatbuffer=flatbuffer), reference)


def _further(start: Candidate, how: str, flatbuffer: bytes, started: float) -> Made:
    """What was fitted to pictures, from a candidate with corrected biases on."""
    name = f"{start.name.removesuffix(CORRECTED)}{how}"
    return Made(name, start.network, start.ranges, flatbuffer, started, learned=True)


def _rounded(bench: Bench, start: Candidate, reference: Scores) -> Candidate:
    """Its weights rounded for the data."""
    started, feed = time.monotonic(), bench.feed(bench.calibration)
    better = round_for(start.network, start.flatbuffer, feed, bench.options.progress)
    return _corrected(bench, _further(start, ROUNDED, better, started), reference)


def _mixed(bench: Bench, start: Candidate, reference: Scores) -> Iterator[Candidate]:
    """The ends in float, ever more of them in front, and the rest rounded for the data."""
    feed = bench.feed(bench.calibration)
    for depth, tensors in ends(start.network):
        started, apart = time.monotonic(), bench.leaving(tensors)
        plain = quantize(apart, start.network, start.ranges)
        better = round_for(start.network, plain, feed, bench.options.progress)
        said = f", {depth} layers and the last in float" if depth else ", the last layer in float"
        made = _further(start, f"{said}{ROUNDED}", better, started)
        yield _corrected(bench, replace(made, mixed=True), reference)


def _tuned(bench: Bench, start: Candidate, reference: Scores) -> Iterator[Candidate]:
    """The candidate trained. Raises FatalError where it cannot be.

    Not one with rounded weights: learning nudges weights over their nearest half step, and
    theirs are far from it.
    """
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
    tuned = paths["out"].read_bytes()
    yield _corrected(bench, _further(start, TUNED, tuned, started), reference)


def _saved(bench: Bench) -> list[str]:
    """Files with the pictures to learn from: those that calibrate, and those given for it."""
    sets = [bench.calibration] + ([] if bench.unlabelled is None else [bench.unlabelled])
    paths = [bench.scratch / f"tune.{number}.npy" for number in range(len(sets))]
    for path, pixels in zip(paths, sets, strict=True):
        np.save(path, pixels)
    return [str(path) for path in paths]


def _equalised(bench: Bench, network: bytes) -> Iterator[Ranged]:
    """The same network with its channels equalised."""
    feed, progress = bench.feed(bench.calibration), bench.options.progress
    even = equalized(network, feed, progress)
    yield "equalised, min/max", even, ranges.observe(even, feed, progress).extremes


def _narrowed(bench: Bench, network: bytes, seen: ranges.Observed) -> Iterator[Ranged]:
    """The other estimators of the ranges."""
    if bench.options.effort == "max":
        yield "moving average", network, seen.average
    feed = bench.feed(bench.calibration)
    counts = ranges.histograms(network, feed, seen.extremes, bench.options.progress)
    model = unpack(network)
    for name, rule in (
        ("99.999 %", lambda one, span: ranges.percentile(one, span, PERCENTILE)),
        ("least squares", ranges.least_error),
    ):
        found = {index: rule(counts[index], span) for index, span in seen.extremes.items()}
        yield name, network, ranges.finished(found, model, bench.contract.input)
