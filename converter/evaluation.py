"""A model file and labelled pictures -> its accuracy, as the device would have it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from converter import data as pictures
from converter import files, measure, order, slice_table
from converter import slices as judged
from converter.data import Photos
from converter.listing import described
from converter.measure import Feed, Scores
from converter.probe import order_text
from converter.quality import at_thresholds, per_class
from converter.report import threshold_text
from edge.decode import probabilities
from edge.errors import FatalError
from edge.model import Contract, load
from edge.runtime.runtime import open_runtime

LABELS_WRONG = "THE LABELS LOOK WRONG"


def evaluate(
    model: Path, data: Path, progress: bool = True, slices: Path | None = None
) -> dict[str, Any]:
    """Accuracy, confusion and count of `model` on the pictures in `data`.

    `slices` is a CSV file with `path` and attributes: accuracy for each of their values too.
    Raises FatalError where the file or the data cannot be used.
    """
    loaded = load(model)
    runtime = open_runtime(loaded)
    contract = loaded.contract
    listing = pictures.find(data, contract.labels)
    measuring = listing.measuring
    with files.scratch_folder() as scratch:
        photos = pictures.read(measuring, contract.input, scratch, progress)
        feed = Feed(photos.pixels, contract.input)
        raw = measure.scores(runtime, feed, "measuring", progress)
    scores = probabilities(contract, raw)
    answers = np.bincount(scores.argmax(axis=1), minlength=len(contract.labels))
    facts: dict[str, Any] = {
        "model": model.name,
        "pictures": len(photos.paths),
        "skipped": list(photos.skipped),
        "left_out": described(listing.left_out),
        "notes": [*listing.notes, *photos.notes()],
        "thresholds": at_thresholds(contract, scores, photos.truth),
        "answers": dict(zip(contract.labels, answers.tolist(), strict=True)),
    }
    if photos.truth is not None:
        facts["accuracy"] = measure.accuracy(scores, photos.truth)
        facts["confusion"] = measure.confusion(scores, photos.truth).tolist()
        facts["classes"] = per_class(contract.labels, scores, photos.truth)
        facts["notes"] += _order(contract, scores, photos)
    if slices is not None:
        facts["slices"] = _sliced(slices, photos, data, scores)
    return facts


def _order(contract: Contract, scores: Scores, photos: Photos) -> list[str]:
    """What to say if another order of the labels fits clearly better."""
    assert photos.truth is not None
    labels = contract.labels
    found = order.fitting(scores.argmax(axis=1), photos.truth, len(labels))
    if found is None:
        return []
    names = [labels[label] for label in found.outputs]
    row = {"labels": names, "float_accuracy": found.accuracy}
    return [f"{LABELS_WRONG}: {order_text(row, labels)}; convert or pack it with those"]


def _sliced(path: Path, photos: Photos, data: Path, scores: Scores) -> dict[str, Any]:
    if photos.truth is None:
        raise FatalError(f"--slices {path}: the pictures of {data} are not labelled")
    table = slice_table.read(path, photos.paths, data)
    found = judged.judge(table, scores.argmax(axis=1) == photos.truth, photos.truth)
    return judged.facts(path, table, found)


def lines(facts: dict[str, Any], as_json: bool) -> list[str]:
    """The facts for the terminal."""
    if as_json:
        return [json.dumps(facts, indent=1)]
    found = [f"WARNING    {text}" for text in facts["notes"] if text.startswith(LABELS_WRONG)]
    found.append(f"{facts['model']}: {facts['pictures']} pictures")
    if "accuracy" in facts:
        found.append(f"accuracy   {facts['accuracy'] * 100:.2f} %")
        found += [
            f"{row['label']}: {row['pictures']} pictures, precision {row['precision']:.3f}, "
            f"recall {row['recall']:.3f}, F1 {row['f1']:.3f}"
            for row in facts["classes"]
        ]
    else:
        found += [f"{label}: {count} answers" for label, count in facts["answers"].items()]
    found += [f"threshold  {threshold_text(row)}" for row in facts["thresholds"]]
    if "slices" in facts:
        found += judged.lines(facts["slices"])
    if facts["skipped"]:
        found.append(f"skipped    {len(facts['skipped'])}: {', '.join(facts['skipped'][:5])}")
    found += [f"left out   {text}" for text in facts["left_out"]]
    return found + [f"note       {t}" for t in facts["notes"] if not t.startswith(LABELS_WRONG)]
