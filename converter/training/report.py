"""A trained network's answers on the test pictures -> figures, a page, lines for the terminal."""

import base64
import html
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from converter.explain import Heat, marked
from converter.measure import Scores, accuracy, confusion
from converter.page import STYLE
from converter.plots import heat_map
from converter.quality import per_class
from converter.training.fit import Course
from converter.training.options import TrainOptions
from converter.training.pictures import Part, Sets
from edge.summary import wilson

WORST = 24
"""Mistakes that are shown, the surest first."""


def facts(sets: Sets, scores: Scores, course: Course, options: TrainOptions) -> dict[str, Any]:
    """All figures of the test pictures, which were used for nothing else."""
    truth = sets.test.truth
    answers = scores.argmax(axis=1)
    right = int((answers == truth).sum())
    wrong = np.flatnonzero(answers != truth)
    surest = wrong[np.argsort(-scores[wrong, answers[wrong]])][:WORST]
    return {
        "labels": list(sets.labels),
        "pictures": {
            "training": len(sets.training.paths),
            "validation": len(sets.validation.paths),
            "test": len(truth),
            "near_duplicates_left_out": sets.near,
            "skipped": list(sets.skipped),
            "left_out": list(sets.left_out),
        },
        "accuracy": accuracy(scores, truth),
        "interval": list(wilson(right, len(truth))),
        "classes": per_class(sets.labels, scores, truth),
        "confusion": confusion(scores, truth).tolist(),
        "course": asdict(course),
        "options": {key: str(value) for key, value in asdict(options).items()},
        "mistakes": [
            {
                "row": int(row),
                "path": str(sets.test.paths[row]),
                "truth": sets.labels[truth[row]],
                "answer": sets.labels[answers[row]],
                "score": float(scores[row, answers[row]]),
            }
            for row in surest
        ],
    }


def lines(report: dict[str, Any]) -> list[str]:
    """What the terminal shows."""
    counts, (low, high) = report["pictures"], report["interval"]
    found = [
        f"pictures   {counts['training']} trained, {counts['validation']} chose when to stop "
        f"(epoch {report['course']['best_epoch']}), {counts['test']} measured",
        f"accuracy   {report['accuracy'] * 100:.1f} % of the test pictures "
        f"({low * 100:.1f} to {high * 100:.1f})",
    ]
    found += [
        f"{row['label']}: {row['pictures']} pictures, precision {row['precision']:.3f}, "
        f"recall {row['recall']:.3f}, F1 {row['f1']:.3f}"
        for row in report["classes"]
    ]
    if counts["near_duplicates_left_out"]:
        found.append(
            f"left out   {counts['near_duplicates_left_out']} training pictures that validation "
            "or test have nearly the same of"
        )
    if counts["skipped"]:
        found.append(f"skipped    {len(counts['skipped'])}: {', '.join(counts['skipped'][:5])}")
    return found + [f"left out   {text}" for text in counts["left_out"]]


def as_html(report: dict[str, Any], test: Part, heats: Sequence[Heat]) -> bytes:
    """One page that needs no other file. `heats` say where each mistake came from."""
    title = html.escape(f"{report['model']}: trained")
    shown = "".join(
        f'<figure style="display:inline-block;width:16rem;margin:.4rem;vertical-align:top">'
        f'<img src="data:image/jpeg;base64,{_jpeg(test, one["row"], heat)}" style="width:100%">'
        f"<figcaption>{html.escape(one['truth'])} taken for {html.escape(one['answer'])} "
        f"{one['score']:.2f}</figcaption></figure>"
        for one, heat in zip(report["mistakes"], heats, strict=True)
    )
    options = "".join(
        f"<tr><td>{k}</td><td>{html.escape(v)}</td></tr>" for k, v in report["options"].items()
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        f"<pre>{html.escape(chr(10).join(lines(report)))}</pre>\n"
        "<h2>Confusion</h2><p>Rows are the truth, columns the answers, in the same order.</p>"
        f"{heat_map(report['labels'], report['confusion'])}\n"
        "<h2>The surest mistakes</h2><p>Right of each, in red, what the answer stands on "
        f"(Grad-CAM).</p>{shown or '<p>None.</p>'}\n"
        f"<h2>Options</h2><table>{options}</table>\n</body></html>\n"
    ).encode()


def _jpeg(test: Part, row: int, heat: Heat) -> str:
    image = np.asarray(cv2.cvtColor(np.asarray(test.pixels[row]), cv2.COLOR_RGB2BGR), np.uint8)
    both = np.hstack([image, marked(image, heat)])
    return base64.b64encode(cv2.imencode(".jpg", both)[1].tobytes()).decode()
