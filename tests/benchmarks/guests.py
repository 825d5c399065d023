"""Delegates that misbehave: when it is noticed, how many frames wait, and what is told wrongly.

`python -m tests.benchmarks.guests [WORD ...]`: one line a case (those with one of the words in
their name). Photographs with and without a person pass at 50 frames a second; events and labels
are compared with those of the CPU alone. About ten seconds a case.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge import model
from edge.cli.measure import pipeline
from edge.model import Model
from edge.runtime.runtime import Limits, Setup, start
from edge.types import Frame, Image, Observation
from tests.conftest import REPOSITORY, TESTDATA, VWW, VWW_CONTRACT

FPS, FRAMES, SHOWN = 50, 400, 40
ONSET = 100
WAITED_S = 0.25
LIMITS = Limits(threads=1, invoke_s=2.0, open_s=4.0, retry_s=0.5)
ENDS = ("fail", "hang", "exit", "crash", "slow")
CASES = [
    *((mode, at, 0) for at in ("open", "prepare") for mode in ENDS),
    *((mode, "invoke", n) for n in (0, ONSET) for mode in (*ENDS, "wrong", "zero", "nan")),
    *((mode, "retry", ONSET) for mode in ENDS),
]
Told = tuple[str, str, int]


@dataclass
class Scene:
    """The pictures, at their pace; `onset` is touched before frame ONSET."""

    pictures: list[Image]
    onset: Path
    live: bool = False
    skipped: int = 0
    dropped: int = 0

    def __iter__(self) -> Iterator[Frame]:
        """SHOWN frames of each picture, a little brighter and darker."""
        began_s = time.monotonic()
        for number in range(FRAMES):
            time.sleep(max(0.0, began_s + number / FPS - time.monotonic()))
            if number == ONSET:
                self.onset.touch()
            picture = self.pictures[number // SHOWN % len(self.pictures)]
            image = cv2.convertScaleAbs(picture, alpha=1.0, beta=number % 5)
            yield Frame(np.asarray(image, np.uint8), number / FPS, number / FPS, time.monotonic())

    def stop(self) -> None:
        """It ends by itself."""


@dataclass
class Seen:
    """What came of one run."""

    labels: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    delegates: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    waited: int = 0
    reason: str = ""

    def add(self, observation: Observation, delegate: str) -> None:
        """One frame."""
        best = max(observation.detections, key=lambda detection: detection.score)
        number = len(self.labels)
        self.labels.append(best.label)
        self.told += [(event.kind, event.label, number) for event in observation.events]
        self.delegates.append(delegate)
        self.longest_s = max(self.longest_s, observation.infer_s)
        self.waited += observation.infer_s > WAITED_S


def run(loaded: Model, delegates: tuple[str, ...], scene: Scene) -> Seen:
    """All frames."""
    scene.onset.unlink(missing_ok=True)
    seen = Seen()
    with closing(start(Setup(loaded, delegates, LIMITS))) as runtime:
        for observation in pipeline(loaded, runtime, scene):
            seen.add(observation, runtime.delegate)
        seen.reason = runtime.refused[0].reason if runtime.refused else "-"
    return seen


def parts(folder: Path) -> tuple[Model, str, list[Image]]:
    """The float person classifier, the delegate's library, and pictures of both kinds."""
    path = folder / "vww.tflite"
    shutil.copy(VWW.with_name("vww_96_float.tflite"), path)
    contract = VWW_CONTRACT.replace("96 }", "96, mean = [0], std = [255] }")
    path.with_name("model.toml").write_text(contract)
    library, source = folder / "libcopy.so", REPOSITORY / "tests/delegates/delegate.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    kinds = [sorted((TESTDATA / "images/vww01-open").glob(f"{kind}/*.png"))[:6]
             for kind in ("no_person", "person")]  # fmt: skip
    pictures = [cv2.imread(str(file)) for pair in zip(*kinds, strict=True) for file in pair]
    return model.load(path), str(library), [np.asarray(each, np.uint8) for each in pictures]


def line(mode: str, at: str, after: int, seen: Seen, right: Seen) -> str:
    """Frames until the CPU went on, counted from the first that went wrong."""
    first = after if at in ("invoke", "retry") else 0
    guest = [number for number, name in enumerate(seen.delegates) if name != "cpu"]
    noticed = max(0, max((n for n in guest if n >= first), default=first - 1) + 1 - first)
    labels = sum(a != b for a, b in zip(seen.labels, right.labels, strict=True))
    events = len(set(seen.told) ^ set(right.told))
    return (
        f"{mode:6} {at:8} {after or 1:4} {noticed:8} {seen.waited:7} {seen.longest_s * 1000:8.0f} "
        f"{labels:7} {events:7}  {seen.reason[:70]}"
    )


def main(words: list[str]) -> None:
    """The CPU alone, then each case."""
    print("mode   at       from  noticed  waited  longest   wrong   wrong  reason")
    print("                       frames  frames       ms  labels  events")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        loaded, library, pictures = parts(folder)
        scene = Scene(pictures, folder / "now")
        right = run(loaded, ("cpu",), scene)
        print(f"the CPU alone: {len(right.told)} events, longest {right.longest_s * 1000:.0f} ms")
        for mode, at, after in CASES:
            if words and not any(word in f"{mode} {at} {after}" for word in words):
                continue
            switch = f"&switch={scene.onset}" if after else ""
            ms = 10_000 if at != "invoke" else 1000
            name = f"external:{library}?mode={mode}&at={at}&ms={ms}{switch}"
            print(line(mode, at, after, run(loaded, (name, "cpu"), scene), right), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
