"""Labelled pictures in, a Keras CNN and the report of its test out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter import files
from converter.training.fit import fit
from converter.training.networks import network
from converter.training.options import TrainOptions
from converter.training.pictures import load
from converter.training.report import as_html, facts


@dataclass(frozen=True, slots=True)
class Trained:
    """The files that were written, and what the report says."""

    model: Path
    report: dict[str, Any]
    report_html: Path


def train(data: Path, out: Path, options: TrainOptions | None = None) -> Trained:
    """Writes OUT (a .keras file), OUT's name with .train.json and .train.html beside it.

    Raises FatalError where the data or an option cannot be used.
    """
    options = options or TrainOptions()
    files.check_writable(out)
    with files.scratch_folder() as scratch:
        sets = load(data, options, scratch)
        import keras

        keras.utils.set_random_seed(options.seed)
        made = network(options, len(sets.labels))
        course = fit(made, sets, options)
        classifier = made.classifier
        scores = classifier.predict(sets.test.pixels, batch_size=options.batch, verbose=0)
        written = scratch / "model.keras"
        classifier.save(written)
        files.write_whole(out, written.read_bytes())
    report = facts(sets, np.asarray(scores, np.float32), course, options)
    report["model"] = out.name
    page = out.with_suffix(".train.html")
    files.write_whole(out.with_suffix(".train.json"), json.dumps(report, indent=1).encode())
    files.write_whole(page, as_html(report, sets.test))
    return Trained(out, report, page)
