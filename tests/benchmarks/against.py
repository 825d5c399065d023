"""Edge against other interpreters on the same pictures, in turns within one run.

`python -m tests.benchmarks.against MODEL PICTURES --tflite PYTHON --mediapipe PYTHON`, where each
PYTHON is an environment of its own: `pip install tflite-runtime 'numpy<2' opencv-python-headless
pydantic` (Python 3.11) and `pip install mediapipe`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
ROUNDS = 5
SIDE = 224


def once(way: tuple[str, str], model: Path, threads: str, pictures: list[str]) -> dict[str, Any]:
    """One process; its JSON line."""
    python, kind = way
    script = str(Path(__file__).with_name("one_interpreter.py"))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [python, script, kind, str(model), str(SIDE), threads, *pictures]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{python} {kind}: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    """A table: milliseconds a picture, and how many first labels agree with edge's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--threads", default="1", help="Edge's; MediaPipe chooses its own.")
    parser.add_argument("--tflite")
    parser.add_argument("--mediapipe")
    given = parser.parse_args()
    endings = (".bmp", ".jpg", ".png")
    pictures = sorted(str(p) for p in given.pictures.rglob("*") if p.suffix.lower() in endings)
    ways = [(sys.executable, "edge")]
    ways += [(given.tflite, "edge")] if given.tflite else []
    ways += [(given.mediapipe, "mediapipe")] if given.mediapipe else []
    rounds = [
        [once(way, given.model, given.threads, pictures) for way in ways] for _ in range(ROUNDS)
    ]
    print(f"{given.model.name}, {len(pictures)} pictures, medians of {ROUNDS} rounds")
    print(f"{'':<24}{'ms':>9}{'best ms':>9}{'CPU ms':>9}{'of edge':>9}  same first label")
    for number, way in enumerate(rounds[0]):
        ms, best, cpu = (
            statistics.median(turn[number][key] for turn in rounds)
            for key in ("ms", "best_ms", "cpu_ms")
        )
        ratio = statistics.median(turn[number]["ms"] / turn[0]["ms"] for turn in rounds)
        same, scaled = (
            sum(a == b for a, b in zip(way[key], rounds[0][0][key], strict=True))
            for key in ("first", "first_scaled")
        )
        figures = f"{ms:9.2f}{best:9.2f}{cpu:9.2f}{ratio:9.2f}"
        print(f"{way['name']:<24}{figures}  {same}, scaled before: {scaled}")


main()
