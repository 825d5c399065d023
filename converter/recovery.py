"""A float network and pictures -> int8 candidates, and the one that strays least from float.

Candidates are compared on pictures that do not measure, a third of which did not calibrate
either: by how many labels they change, then by how far their probabilities lie from the float
network's. Accuracy on some hundred pictures cannot tell candidates apart, and would be chosen by
luck.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import ranges
from converter.bias import correct
from converter.data import Pixels
from converter.equalize import equalized
from converter.flatbuffer import Ranges, unpack, with_ranges
from converter.measure import Feed, Scores, agreement, divergences, scores
from converter.options import Options
from converter.preparation import Prepared
from converter.rounding import round_for
from converter.trial import try_file
from converter.workshop import Workshop
from edge.errors import FatalError
from edge.model import Contract
from edge.runtime.litert import LiteRt

CORRECTION_PICTURES = 32
"""8 to 100 gave the same accuracy in a trial."""

PERCENTILE = 0.99999

CORRECTED = " + bias correction"
ROUNDED = " + weight rounding"
TUNED = " + fine-tuning"

PROVEN = 2.0
"""Standard errors."""


@dataclass(frozen=True, slots=True)
class Bench:
    """All that recovery works with."""

    workshop: Workshop
    scratch: Path
    contract: Contract
    calibration: Pixels
    choosing: Pixels
    options: Options

    def feed(self, pixels: Pixels) -> Feed:
        """Pictures as this network takes them."""
        return Feed(pixels, self.contract.input)


@dataclass(frozen=True, slots=True)
class Made:
    """An int8 flatbuffer that nobody measured yet."""

    name: str
    network: bytes
    """The float flatbuffer that it was made from."""
    flatbuffer: bytes
    started: float
    """time.monotonic() when its making began."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to int8 and what it gave on the choosing pictures."""

    name: str
    network: bytes
    """The float flatbuffer that it was made from."""
    flatbuffer: bytes
    divergences: npt.NDArray[np.float64]
    """(n,) Kullback-Leibler divergence from the float network for each picture, nats."""
    agreement: float
    seconds: float

    @property
    def divergence(self) -> float:
        """Mean over the pictures, nats; infinite where a score is not a number."""
        return float(np.nan_to_num(self.divergences.mean(), nan=np.inf))

    @property
    def corrected(self) -> bool:
        """Whether its biases were corrected."""
        return self.name.endswith(CORRECTED)

    def facts(self) -> dict[str, Any]:
        """For the report."""
        return {
            "name": self.name,
            "divergence": self.divergence,
            "agreement": self.agreement,
            "seconds": round(self.seconds, 1),
            "bytes": len(self.flatbuffer),
        }


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
    found = list(_from_ranges(bench, network, (("min/max", seen.extremes),), reference))
    if effort == "fast":
        return Recovered((found[0],))
    even = equalized(network, feed, progress)
    rows = (("equalised, min/max", ranges.observe(even, feed, progress).extremes),)
    found += _from_ranges(bench, even, rows, reference)
    found += _from_ranges(bench, network, _narrowed(bench, network, seen), reference)
    if effort != "max":
        return Recovered(tuple(found))
    found += _rounded(bench, network, ("min/max", seen.extremes), reference)
    found += _rounded(bench, even, rows[0], reference)
    try:
        found.append(_tuned(bench, found, reference))
    except FatalError as error:
        return Recovered(tuple(found), (f"no fine-tuning: {error}",))
    return Recovered(tuple(found))


def _from_ranges(
    bench: Bench, network: bytes, named: Iterable[tuple[str, Ranges]], reference: Scores
) -> Iterator[Candidate]:
    """Each set of ranges, plain and with its biases corrected."""
    for name, found in named:
        started = time.monotonic()
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
    yield _corrected(bench, Made(f"{row[0]}{ROUNDED}", network, better, started), reference)


def _tuned(bench: Bench, found: list[Candidate], reference: Scores) -> Candidate:
    """The closest candidate so far, trained. Raises FatalError where it cannot be.

    Not those with rounded weights: learning nudges weights over their nearest half step, and
    theirs are far from it.
    """
    free = (one for one in found if one.corrected and ROUNDED not in one.name)
    start = min(free, key=lambda one: one.divergence)
    started = time.monotonic()
    names = ("network", "int8", "pixels", "out")
    paths = {name: bench.scratch / f"tune.{name}" for name in names}
    paths["network"].write_bytes(start.network)
    paths["int8"].write_bytes(start.flatbuffer)
    with paths["pixels"].open("wb") as file:
        np.save(file, bench.calibration)
    request = {name: str(path) for name, path in paths.items()} | {
        "contract": bench.contract.input.model_dump(),
        "kind": bench.contract.output.kind,
    }
    bench.workshop.ask("tune", "fine-tuning", request)
    name = f"{start.name.removesuffix(CORRECTED)}{TUNED}"
    tuned = Made(name, start.network, paths["out"].read_bytes(), started)
    return _corrected(bench, tuned, reference)


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
        agreement(reference, answers),
        time.monotonic() - made.started,
    )


def quantize(bench: Bench, ranged: bytes) -> bytes:
    """A float flatbuffer with ranges -> int8, tried in a child process before anyone opens it.

    Raises FatalError where TensorFlow cannot, or the interpreter does not take the result.
    """
    source, target = bench.scratch / "ranged.tflite", bench.scratch / "int8.tflite"
    source.write_bytes(ranged)
    request = {"ranged": str(source), "out": str(target), "io": bench.options.io}
    bench.workshop.ask("quantize", "quantising", request)
    try_file(target, "int8 model")
    return target.read_bytes()


def best(found: Sequence[Candidate]) -> Candidate:
    """Of those that change the fewest labels, the simplest that is not provably further off.

    Labels come first, because they are what the device reports. Then divergence: within one
    standard error of the difference, picture by picture, two are alike: the rule of one standard
    error (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). What was
    fine-tuned has learned from most of these pictures, so that their labels say nothing for it:
    it must be provably closer than the best of the others.
    """
    if not found:
        raise FatalError("no int8 candidate could be made")
    others = [one for one in found if TUNED not in one.name] or list(found)
    most = max(one.agreement for one in others)
    pool = [one for one in others if one.agreement == most]
    closest = min(pool, key=lambda one: one.divergence)
    chosen = next((one for one in pool if _margin(one, closest) <= 1), closest)
    for one in found:
        if TUNED in one.name and one.agreement >= most and _margin(chosen, one) > PROVEN:
            return one
    return chosen


def _margin(one: Candidate, other: Candidate) -> float:
    """By how many standard errors, picture by picture, `one` lies further off than `other`."""
    worse = one.divergences - other.divergences
    error = float(worse.std() / np.sqrt(len(worse)))
    if not error:
        return 0.0 if not worse.mean() else float(np.copysign(np.inf, worse.mean()))
    return float(worse.mean() / error)
