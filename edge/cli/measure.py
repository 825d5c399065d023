"""A model, a delegate and a source -> throughput, latency by stage, CPU time and memory."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from edge import config
from edge.address import read
from edge.daemon import scene
from edge.decode import open_decode
from edge.errors import FatalError
from edge.model import Model, load
from edge.pipeline import Look, Pipeline
from edge.preprocess import Preprocess
from edge.runtime.litert import interpreter_name
from edge.runtime.runtime import Limits, Runtime, open_runtime
from edge.runtime.verify import seeded
from edge.sources import Source, open_source
from edge.sources.newest import Newest
from edge.types import Frame, Image, Observation

SLICE_S = 0.4
"""Bare and pipeline take turns of this length, so that what else runs disturbs both alike."""
WARM_UP = 5


class Made:
    """Pictures from memory, as fast as they are taken."""

    live = False
    skipped = 0
    dropped = 0

    def __init__(self, pictures: list[Image], count: int) -> None:
        self._pictures = pictures
        self._count = count

    def __iter__(self) -> Iterator[Frame]:
        """Frames without end of the same few pictures."""
        for number in range(self._count):
            image = self._pictures[number % len(self._pictures)]
            yield Frame(image, number / 30, number / 30, time.monotonic())

    def stop(self) -> None:
        """It ends by itself."""


@dataclass(frozen=True)
class Bench:
    """One run."""

    model: Path
    delegate: str = "cpu"
    source: str | None = None
    threads: int = 1
    seconds: float = 10.0
    fps: float = 30.0

    def run(self) -> dict[str, Any]:
        """The figures. Raises FatalError where model or delegate cannot be used."""
        loaded = load(self.model)
        runtime = open_runtime(loaded, (self.delegate,), Limits(self.threads))
        runtime.infer(next(seeded(runtime.input)))
        random = np.random.default_rng(1)
        pictures = [random.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(8)]
        rounds = []
        if self.source is None:
            rounds = [_round(loaded, runtime, pictures) for _ in range(self._turns())]
        bare_s = np.array(_bare(runtime, self.seconds / 4))
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        seen = self._follow(loaded, runtime, pictures)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
        result = {
            "schema": "hedgerow.bench/1",
            "model": str(self.model),
            "interpreter": interpreter_name(),
            "delegate": runtime.delegate,
            "threads": self.threads,
            "source": self.source or f"640x480 from memory, {self.fps:g} a second",
            "frames": len(seen),
            "frames_per_s": len(seen) / took_s,
            "bare_invoke_ms": _percentiles(bare_s),
            "latency_ms": _stages(seen),
            "cpu_ms_per_frame": 1000 * cpu_s / len(seen),
            "resident_mib": _resident_mib(),
        }
        if rounds:
            result |= _throughput(rounds)
        runtime.close()
        return result

    def _turns(self) -> int:
        return max(3, round(self.seconds / (2 * SLICE_S)))

    def _follow(self, loaded: Model, runtime: Runtime, pictures: list[Image]) -> list[Observation]:
        """The pipeline on a source as it comes; a live one for `seconds`."""
        source = self._source(pictures)
        until_s = time.monotonic() + self.seconds
        seen = []
        for observation in pipeline(loaded, runtime, source):
            seen.append(observation)
            if time.monotonic() >= until_s:
                source.stop()
        if len(seen) <= WARM_UP:
            shown = read(self.source or "").shown
            raise FatalError(f"source {shown}: gives {len(seen)} frames; too few to measure")
        return seen[WARM_UP:]

    def _source(self, pictures: list[Image]) -> Source:
        if self.source is None:
            return Newest(lambda stopped: _paced(pictures, self.fps, stopped))
        flags = {"source": {"bench": {"uri": self.source}}}
        return open_source(config.load(None, flags).source["bench"])


def pipeline(loaded: Model, runtime: Runtime, source: Source) -> Pipeline:
    """As the daemon wires it."""
    contract = loaded.contract
    made = config.Config(source={"bench": config.SourceConfig(uri="demo:")})
    look = Look(
        Preprocess(contract.input, runtime.input),
        runtime,
        open_decode(contract, runtime.outputs),
        scene.events(contract, scene.Scene("bench", made, scene.book(contract, made)), count(1)),
    )
    return Pipeline(source, look)


@dataclass(frozen=True, slots=True)
class _Round:
    """Bare and through the pipeline, one right after the other."""

    bare_per_s: float
    whole_per_s: float
    bare_cpu_s: float
    whole_cpu_s: float


def _round(loaded: Model, runtime: Runtime, pictures: list[Image]) -> _Round:
    began_cpu_s = time.process_time()
    bare_s = _bare(runtime, SLICE_S)
    bare_cpu_s = time.process_time() - began_cpu_s
    count = len(bare_s)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    for _ in pipeline(loaded, runtime, Made(pictures, count)):
        pass
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    return _Round(count / sum(bare_s), count / took_s, bare_cpu_s / count, cpu_s / count)


def _throughput(rounds: list[_Round]) -> dict[str, Any]:
    """Medians over the rounds; the ratio's quartiles say how much else was running."""
    ratios = sorted(turn.whole_per_s / turn.bare_per_s for turn in rounds)
    return {
        "bare_per_s": statistics.median(turn.bare_per_s for turn in rounds),
        "pipeline_per_s": statistics.median(turn.whole_per_s for turn in rounds),
        "throughput_ratio": statistics.median(ratios),
        "throughput_ratio_quartiles": [ratios[len(ratios) // 4], ratios[3 * len(ratios) // 4]],
        "bare_cpu_ms": 1000 * statistics.median(turn.bare_cpu_s for turn in rounds),
        "pipeline_cpu_ms": 1000 * statistics.median(turn.whole_cpu_s for turn in rounds),
    }


def _bare(runtime: Runtime, seconds: float) -> list[float]:
    """Durations of the interpreter's own invoke, seconds."""
    invoke = runtime.bare()
    durations: list[float] = []
    until_s = time.monotonic() + seconds
    while not durations or time.monotonic() < until_s:
        began_s = time.perf_counter()
        invoke()
        durations.append(time.perf_counter() - began_s)
    return durations


def _paced(pictures: list[Image], fps: float, stopped: Event) -> Iterator[Frame]:
    began_s, number = time.monotonic(), 0
    while not stopped.wait(max(0.0, began_s + number / fps - time.monotonic())):
        now_s = time.monotonic()
        yield Frame(pictures[number % len(pictures)], now_s, time.time(), now_s)
        number += 1


def _stages(seen: list[Observation]) -> dict[str, dict[str, float]]:
    whole = np.array([o.latency_s for o in seen])
    prepare = np.array([o.prepare_s for o in seen])
    infer = np.array([o.infer_s for o in seen])
    return {
        "frame to label": _percentiles(whole),
        "preprocess": _percentiles(prepare),
        "infer": _percentiles(infer),
        "wait and decode": _percentiles(whole - prepare - infer),
    }


def _percentiles(seconds: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(seconds, q)) * 1000, 3) for q in (50, 95, 99)}


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"{result['model']} on {result['delegate']}, {result['threads']} thread(s), "
        f"{result['interpreter']}",
        f"source: {result['source']}; {result['frames']} frames, "
        f"{result['frames_per_s']:.1f} a second",
        "",
        f"{'milliseconds':<18}{'p50':>9}{'p95':>9}{'p99':>9}",
    ]
    rows = {"bare invoke": result["bare_invoke_ms"]} | result["latency_ms"]
    lines += [
        f"{name:<18}" + "".join(f"{values[q]:9.2f}" for q in ("p50", "p95", "p99"))
        for name, values in rows.items()
    ]
    lines.append("")
    if "throughput_ratio" in result:
        low, high = result["throughput_ratio_quartiles"]
        lines.append(
            f"throughput        bare {result['bare_per_s']:.1f}/s, pipeline "
            f"{result['pipeline_per_s']:.1f}/s, ratio {result['throughput_ratio']:.3f} "
            f"({low:.3f} to {high:.3f})"
        )
        lines.append(
            f"CPU at full speed bare {result['bare_cpu_ms']:.3f} ms, pipeline "
            f"{result['pipeline_cpu_ms']:.3f} ms a frame"
        )
    lines.append(f"CPU per frame     {result['cpu_ms_per_frame']:.2f} ms")
    lines.append(f"resident memory   {result['resident_mib']:.0f} MiB")
    return "\n".join(lines)
