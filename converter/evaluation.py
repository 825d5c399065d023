"""A model file and labelled pictures -> its accuracy, as the device would have it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from converter import data as pictures
from converter import files, measure
from converter.measure import Feed
from converter.quality import per_class
from edge.decode import probabilities
from edge.model import load
from edge.runtime.runtime import open_runtime


def evaluate(model: Path, data: Path, progress: bool = True) -> dict[str, Any]:
    """Accuracy, confusion and count of `model` on the pictures in `data`.

    Raises FatalError where the file or the data cannot be used.
    """
    loaded = load(model)
    runtime = open_runtime(loaded)
    contract = loaded.contract
    listing = pictures.find(data, contract.labels)
    with files.scratch_folder() as scratch:
        photos = pictures.read(listing, contract.input, scratch, progress)
        feed = Feed(photos.pixels, contract.input)
        raw = measure.scores(runtime, feed, "measuring", progress)
    scores = probabilities(contract, raw)
    answers = np.bincount(scores.argmax(axis=1), minlength=len(contract.labels))
    facts: dict[str, Any] = {
        "model": model.name,
        "pictures": len(photos.paths),
        "skipped": list(photos.skipped),
        "answers": dict(zip(contract.labels, answers.tolist(), strict=True)),
    }
    if photos.truth is not None:
        facts["accuracy"] = measure.accuracy(scores, photos.truth)
        facts["confusion"] = measure.confusion(scores, photos.truth).tolist()
        facts["classes"] = per_class(contract.labels, scores, photos.truth)
    return facts


def lines(facts: dict[str, Any], as_json: bool) -> list[str]:
    """The facts for the terminal."""
    if as_json:
        return [json.dumps(facts, indent=1)]
    found = [f"{facts['model']}: {facts['pictures']} pictures"]
    if "accuracy" in facts:
        found.append(f"accuracy   {facts['accuracy'] * 100:.2f} %")
        found += [
            f"{row['label']}: {row['pictures']} pictures, precision {row['precision']:.3f}, "
            f"recall {row['recall']:.3f}, F1 {row['f1']:.3f}"
            for row in facts["classes"]
        ]
    else:
        found += [f"{label}: {count} answers" for label, count in facts["answers"].items()]
    if facts["skipped"]:
        found.append(f"skipped    {len(facts['skipped'])}: {', '.join(facts['skipped'][:5])}")
    return found
