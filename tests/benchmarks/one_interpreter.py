"""One way to classify pictures, timed: run by against.py, each in the Python that has it.

`python one_interpreter.py edge|mediapipe MODEL SIDE THREADS PICTURE...` prints one JSON line:
milliseconds a picture (median) from decoded pixels to labels, and the first label's index of each
picture, and of each picture that was scaled to SIDE before: then all see the same pixels.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def edge(path: Path, threads: int) -> tuple[str, Callable[[Any], int]]:
    """The device's code on ai-edge-litert or, in a Python that has only that, tflite-runtime."""
    from edge import model
    from edge.decode import Classify
    from edge.preprocess import Preprocess
    from edge.runtime.litert import interpreter_name
    from edge.runtime.runtime import Limits, open_runtime

    loaded = model.load(path)
    runtime = open_runtime(loaded, limits=Limits(threads))
    preprocess = Preprocess(loaded.contract.input, runtime.input)
    decode = Classify(loaded.contract, runtime.output)
    index = {label: number for number, label in reversed([*enumerate(loaded.contract.labels)])}

    def classify(image: Any) -> int:
        tensor, fit = preprocess(image)
        return index[decode(runtime.infer(tensor), fit)[0].label]

    return interpreter_name(), classify


def mediapipe(path: Path, threads: int) -> tuple[str, Callable[[Any], int]]:
    """MediaPipe Tasks' ImageClassifier, which chooses its threads; its B,G,R to R,G,B is counted,
    as ours is."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(
        base_options=BaseOptions(model_asset_path=str(path)), max_results=1
    )
    classifier = vision.ImageClassifier.create_from_options(options)

    def classify(image: Any) -> int:
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        result = classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb))
        return int(result.classifications[0].categories[0].index)

    return f"mediapipe {mp.__version__}", classify


def main() -> None:
    """Once to warm up, then three times over the pictures."""
    kind, path, side, threads, *pictures = sys.argv[1:]
    cv2.setNumThreads(1)
    images: list[Any] = [cv2.imread(picture) for picture in pictures]
    name, classify = {"edge": edge, "mediapipe": mediapipe}[kind](Path(path), int(threads))
    firsts = [classify(image) for image in images]
    size = (int(side), int(side))
    scaled = [classify(np.ascontiguousarray(cv2.resize(image, size))) for image in images]
    durations_s = []
    began_cpu_s = time.process_time()
    for image in images * 3:
        began_s = time.perf_counter()
        classify(image)
        durations_s.append(time.perf_counter() - began_s)
    print(
        json.dumps(
            {
                "name": name,
                "ms": statistics.median(durations_s) * 1000,
                "best_ms": min(durations_s) * 1000,
                "cpu_ms": (time.process_time() - began_cpu_s) / len(durations_s) * 1000,
                "first": firsts,
                "first_scaled": scaled,
            }
        )
    )


main()
