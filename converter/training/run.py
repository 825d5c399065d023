"""Labelled pictures in, a Keras CNN and the report of its test out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter import files, ours
from converter.explain import Heat
from converter.gradcam import Answers, grad_cam
from converter.training.fit import fit
from converter.training.networks import network
from converter.training.options import TrainOptions
from converter.training.pictures import Sets, load
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
    weights = Path(options.weights)
    ours.check_training(out, data, options.validation, options.test, weights)
    with files.scratch_folder() as scratch:
        sets = load(data, options, scratch)
        import keras

        keras.utils.set_random_seed(options.seed)
        made = network(options, len(sets.labels))
        course = fit(made, sets, options)
        classifier = made.classifier
        scores = classifier.predict(sets.test.pixels, batch_size=options.batch, verbose=0)
        written = scratch / "model.keras"
        # A model that was never compiled: the optimizer's state is two thirds of the file.
        keras.Model(classifier.inputs, classifier.outputs, name="classifier").save(written)
        files.write_whole(out, written.read_bytes())
    report = facts(sets, np.asarray(scores, np.float32), course, options)
    report |= {"model": out.name, "model_sha256": files.sha256_of(out)}
    page = out.with_suffix(".train.html")
    files.write_whole(out.with_suffix(".train.json"), json.dumps(report, indent=1).encode())
    files.write_whole(page, as_html(report, sets.test, _heats(classifier, sets, report)))
    return Trained(out, report, page)


def _heats(classifier: Any, sets: Sets, report: dict[str, Any]) -> Sequence[Heat]:
    """Where each of the report's mistakes comes from."""
    mistakes = report["mistakes"]
    if not mistakes:
        return []
    pixels = sets.test.pixels[[one["row"] for one in mistakes]].astype(np.float32)
    answers = np.array([sets.labels.index(one["answer"]) for one in mistakes])
    return list(grad_cam(classifier, pixels, answers, Answers(len(sets.labels))))
