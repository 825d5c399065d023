"""A float flatbuffer with ranges -> int8, and how far that lies from float: conversion's bench."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converter.choice import Candidate
from converter.data import Pixels
from converter.flatbuffer import Ranges, with_ranges
from converter.measure import Feed, Scores, divergences, scores
from converter.options import Options
from converter.trial import try_file
from converter.workshop import Workshop
from edge.model import Contract
from edge.runtime.litert import LiteRt


@dataclass(frozen=True, slots=True)
class Bench:
    """All that recovery works with."""

    workshop: Workshop
    scratch: Path
    contract: Contract
    calibration: Pixels
    views: Pixels
    """What candidates are compared on: the choosing pictures in some views, all of them once,
    then all again."""
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

    def leaving(self, tensors: tuple[str, ...]) -> "Bench":
        """The same with these in float as well."""
        return replace(self, in_float=self.in_float + tensors)


@dataclass(frozen=True, slots=True)
class Made:
    """An int8 flatbuffer that nobody measured yet."""

    name: str
    network: bytes
    """The float flatbuffer that it was made from."""
    ranges: Ranges
    """Of that network's activations."""
    flatbuffer: bytes
    started: float
    """time.monotonic() when its making began."""
    learned: bool = False
    """Whether its weights were fitted to the pictures that calibrate."""
    mixed: bool = False
    """Whether the network's ends are left in float."""


def reference_scores(bench: Bench, network: bytes) -> Scores:
    """What the float network says of the views."""
    lite = LiteRt("float model", network, threads=2)
    return scores(lite, bench.feed(bench.views), "comparing", bench.options.progress)


def judge(bench: Bench, made: Made, reference: Scores) -> Candidate:
    """Measure it on the views, each picture's together."""
    lite = LiteRt(made.name, made.flatbuffer, threads=2)
    answers = scores(lite, bench.feed(bench.views), "comparing", bench.options.progress)
    by_view = -1, len(bench.unseen)
    agreed = answers.argmax(axis=1) == reference.argmax(axis=1)
    return Candidate(
        made.name,
        made.network,
        made.ranges,
        made.flatbuffer,
        divergences(bench.contract, reference, answers).reshape(by_view).mean(axis=0),
        agreed.reshape(by_view).mean(axis=0),
        time.monotonic() - made.started,
        np.full(len(bench.unseen), made.learned) & ~bench.unseen,
        made.mixed,
    )


def quantize(bench: Bench, network: bytes, ranges: Ranges) -> bytes:
    """A float flatbuffer -> int8, tried in a child process before anyone opens it.

    Raises FatalError where TensorFlow cannot, or the interpreter does not take the result.
    """
    source, target = bench.scratch / "ranged.tflite", bench.scratch / "int8.tflite"
    source.write_bytes(with_ranges(network, ranges))
    request = {
        "ranged": str(source),
        "out": str(target),
        "io": bench.options.io,
        "in_float": bench.in_float,
    }
    bench.workshop.ask("quantize", "quantising", request)
    try_file(target, "int8 model")
    return target.read_bytes()
