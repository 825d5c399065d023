"""A float network with ranges, its plain int8 file and the pictures: conversion, half way."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from converter import Options, ranges, views
from converter.bench import Bench, quantize
from converter.flatbuffer import Ranges
from converter.measure import Feed
from converter.preparation import check, prepare
from converter.variance import variances
from converter.workshop import Workshop


@dataclass(frozen=True)
class Lab:
    """A network on its way to int8."""

    bench: Bench
    choosing: Feed
    """The pictures that choose, as they are."""
    network: bytes
    extremes: Ranges
    int8: bytes


@contextmanager
def on_its_way(source: Path, data: Path, scratch: Path, options: Options) -> Iterator[Lab]:
    """With the variance of its normalisation in float, where there is one."""
    found, listing = check(source, data, scratch / "m.tflite", options)
    with Workshop(scratch, progress=False) as workshop:
        made = prepare(workshop, scratch, found, listing, options)
        pixels = made.split.calibration.pixels[:], views.several(made.split.choosing.pixels[:])
        bench = Bench(workshop, scratch, made.contract, *pixels, made.split.unseen, options)
        bench = bench.leaving(variances(made.network))
        seen = ranges.observe(made.network, bench.feed(bench.calibration), progress=False)
        int8 = quantize(bench, made.network, seen.extremes)
        choosing = bench.feed(made.split.choosing.pixels[:])
        yield Lab(bench, choosing, made.network, seen.extremes, int8)
