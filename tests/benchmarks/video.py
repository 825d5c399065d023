"""CPU time of a 1080p H.264 video at 5 of its 30 frames a second, from decoding to labels.

`python -m tests.benchmarks.video MODEL CLIP`: the daemon's source and pipeline against
cv2.VideoCapture.read, cv2.resize and the same interpreter, in turns within one run. Make the clip
with `ffmpeg -i VIDEO -vf scale=1920:1080,fps=30 -t 20 -c:v libx264 -pix_fmt yuv420p CLIP`.
"""

import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from edge.cli.measure import pipeline
from edge.model import Model, load
from edge.runtime.litert import LiteRt
from edge.runtime.runtime import Limits, Runtime, open_runtime
from edge.sources.video import Video

ROUNDS = 5
EVERY = 6


def ours(loaded: Model, runtime: Runtime, clip: Path) -> float:
    """CPU seconds for the whole clip."""
    began_s = time.process_time()
    labels = sum(1 for _ in pipeline(loaded, runtime, Video(clip, fps=30 / EVERY)))
    assert labels > 10
    return time.process_time() - began_s


def plain(loaded: Model, clip: Path) -> tuple[float, int]:
    """CPU seconds for the whole clip, and its frames."""
    interpreter = LiteRt("plain", loaded.flatbuffer, threads=1)
    size = (loaded.contract.input.width, loaded.contract.input.height)
    spec = interpreter.input
    began_s, frames = time.process_time(), 0
    capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG)
    while True:
        arrived, image = capture.read()
        if not arrived:
            break
        if frames % EVERY == 0:
            small = cv2.cvtColor(cv2.resize(image, size), cv2.COLOR_BGR2RGB)
            real = (small.astype(np.float32) - loaded.contract.input.mean[0]) / (
                loaded.contract.input.std[0]
            )
            interpreter.infer(spec.quantize(real)[None])
        frames += 1
    capture.release()
    return time.process_time() - began_s, frames


def main() -> None:
    """Medians over the rounds."""
    cv2.setNumThreads(1)
    loaded, clip = load(Path(sys.argv[1])), Path(sys.argv[2])
    runtime = open_runtime(loaded, limits=Limits(threads=1))
    turns = [(ours(loaded, runtime, clip), *plain(loaded, clip)) for _ in range(ROUNDS)]
    frames = turns[0][2]
    mine, theirs = (statistics.median(turn[i] for turn in turns) / frames for i in (0, 1))
    ratio = statistics.median(turn[0] / turn[1] for turn in turns)
    print(f"{frames} frames, one in {EVERY} inferred; CPU ms a frame of the video")
    print(f"edge {mine * 1000:.2f}, cv2.VideoCapture {theirs * 1000:.2f}, ratio {ratio:.2f}")


main()
