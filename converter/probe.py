"""The float network on some of the pictures, as stated and otherwise -> what looks wrong.

A wrong order of the labels, or other pixels than in training, costs more than quantization and
shows nowhere else.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import data, measure, order
from converter.data import Photos, Pixels, Rows
from converter.measure import Feed, Scores, Truth
from converter.options import Color, statistics
from converter.progress import bar
from edge.contract import LETTERBOX_GREY
from edge.errors import FatalError
from edge.model import Contract, InputContract
from edge.runtime.litert import LiteRt

Right = npt.NDArray[np.bool_]
"""(n,) which pictures are named rightly."""

PICTURES = 300
MOST_PICTURES = 2000
"""If there are many labels."""
LABELS_SHOWN = 20
SCREENED = 100
"""Pictures on which other pixels are tried first: hopeless ones are tried on no more."""
FEW_LABELS = 200
"""For more, another order of the labels takes long to fit."""
MANY = 20
"""Pictures that hardly have one and the same label by chance."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Some labelled pictures, and how the float network answers them as stated."""

    network: LiteRt
    contract: Contract
    photos: Photos
    scores: Scores
    progress: bool

    @property
    def truth(self) -> Truth:
        """(n,) label indices."""
        assert self.photos.truth is not None
        return self.photos.truth


def probe(network: bytes, contract: Contract, photos: Photos, progress: bool) -> Probe:
    """The network's answers to at most some hundred of the pictures."""
    most = min(MOST_PICTURES, max(PICTURES, 2 * order.PICTURES_A_LABEL * len(contract.labels)))
    if len(photos.paths) > most:
        photos = photos.take(np.random.default_rng(0).permutation(len(photos.paths))[:most])
    float_model = LiteRt("float model", network, threads=2)
    feed = Feed(photos.pixels, contract.input)
    scores = measure.scores(float_model, feed, "checking labels and pixels", progress)
    return Probe(float_model, contract, photos, scores, progress)


def findings(one: Probe) -> dict[str, Any]:
    """What is clearly better than what was stated: other labels, or other pixels, best first.

    Raises FatalError if the float model is right on fewer pictures than by chance.
    """
    if one.photos.truth is None:
        return {"better_labels": None, "better_normalizations": []}
    answers, names = one.scores.argmax(axis=1), one.contract.labels
    stated = float((answers == one.truth).mean())
    fitting = order.fitting(answers, one.truth, len(names))
    outputs = np.array(fitting.outputs) if fitting else np.arange(len(names))
    pixels = _better_pixels(one, outputs[answers] == one.truth)
    pixels = sorted(pixels, key=lambda row: -float(row["float_accuracy"]))
    labels = None
    if fitting and not pixels:
        fit = [names[label] for label in fitting.outputs]
        labels = {"labels": fit, "float_accuracy": fitting.accuracy, "stated": stated}
    found = {"better_labels": labels, "better_normalizations": pixels}
    _refuse_below_chance(one, found, stated)
    return found


def one_answer(one: Probe) -> list[str]:
    """What to say if the float model has one answer to all pictures."""
    answers = set(one.scores.argmax(axis=1).tolist())
    if len(answers) > 1 or len(one.scores) < MANY or len(one.contract.labels) < 2:
        return []
    return [
        f"the float model answers {one.contract.labels[answers.pop()]!r} to all of "
        f"{len(one.scores)} pictures: if they show more than that, its pixels are not those of "
        "training (--normalize, --color, --resize)"
    ]


def _refuse_below_chance(one: Probe, found: dict[str, Any], stated: float) -> None:
    answers, labels = one.scores.argmax(axis=1), len(one.contract.labels)
    below = order.below_chance(answers, one.truth, labels)
    worst = max(order.chance(answers, one.truth, labels), 1 / len(set(one.truth.tolist())))
    if not below and not (found["better_labels"] and stated < worst):
        return
    cause = "do its labels and pixels fit these pictures?"
    if found["better_labels"]:
        cause = order_text(found["better_labels"], one.contract.labels)
    elif found["better_normalizations"]:
        row = found["better_normalizations"][0]
        cause = f"with {row['name']} it is right on {row['float_accuracy']:.1%}"
    raise FatalError(
        f"the float model is right on {stated:.1%} of {len(answers)} pictures, fewer than by "
        f"chance ({worst:.0%}), so nothing was written: {cause}"
    )


def order_text(row: dict[str, Any], stated: tuple[str, ...]) -> str:
    """What to write for labels in another order."""
    names = row["labels"]
    share = f"it is right on {row['float_accuracy']:.1%}"
    if len(names) <= LABELS_SHOWN and not any("," in name for name in names):
        return f"with --labels '{','.join(names)}' {share}"
    moved = [at for at, name in enumerate(names) if name != stated[at]]
    first = ", ".join(f"output {at} is {names[at]!r}" for at in moved[:5])
    return f"with {len(moved)} labels in other places ({first}, …) {share}"


@dataclass(frozen=True, slots=True)
class Other:
    """Pixels other than the stated ones."""

    name: str
    """What to write for them."""
    contract: InputContract
    resized: bool = False
    swapped: bool = False
    """Whether the colors are in the other order."""


def _better_pixels(one: Probe, right: Right) -> Iterable[dict[str, Any]]:
    """Name and float accuracy of pixels, perhaps with labels in another order, for which clearly
    more pictures are right than those of `right`."""
    if float(right.mean()) > 1 - order.CLEARLY:
        return
    every = np.arange(len(right))
    few = every[:: max(1, len(every) // SCREENED)]
    labels = one.contract.labels
    for other in _alternatives(one):
        if len(few) < len(every) and not _promises(one, other, few, right):
            continue
        answers = _answers(one, other, every)
        share = float((answers == one.truth).mean())
        if order.clearly_better(answers == one.truth, right):
            yield {"name": other.name, "float_accuracy": share}
        elif (both := order.fitting(answers, one.truth, len(labels))) and order.clearly_better(
            np.array(both.outputs)[answers] == one.truth, right
        ):
            written = ",".join(labels[at] for at in both.outputs[:LABELS_SHOWN])
            yield {"name": f"{other.name} --labels '{written}'", "float_accuracy": both.accuracy}


def _promises(one: Probe, other: Other, few: Rows, right: Right) -> bool:
    """Whether some of the pictures leave it open that other pixels are better for all."""
    answers, labels = _answers(one, other, few), len(one.contract.labels)
    best = order.most(answers, one.truth[few], labels) if labels <= FEW_LABELS else 0.0
    best = max(best, float((answers == one.truth[few]).mean()))
    return bool(best + SCREENED**-0.5 >= float(right[few].mean()))


def _answers(one: Probe, other: Other, rows: Rows) -> Rows:
    """(rows,) the float network's labels for other pixels of these pictures."""
    pixels = one.photos.pixels[rows, ..., ::-1] if other.swapped else one.photos.pixels[rows]
    if other.resized:
        paths = [one.photos.paths[row] for row in rows]
        shown = bar(paths, f"reading pictures: {other.name}", one.progress)
        pixels = _resized(shown, other.contract, len(rows))
    feed = Feed(pixels, other.contract)
    scores = measure.scores(one.network, feed, f"checking pixels: {other.name}", one.progress)
    return np.asarray(scores.argmax(axis=1), np.int64)


def _alternatives(one: Probe) -> Iterator[Other]:
    contract = one.contract.input
    for name in ("0..1", "-1..1", "imagenet", "none"):
        mean, std = statistics(name, contract.color)
        if (mean, std) != (contract.mean, contract.std):
            other = contract.model_copy(update={"mean": mean, "std": std})
            yield Other(f"--normalize {name}", other)
    if contract.color != "grey":
        swapped: Color = "bgr" if contract.color == "rgb" else "rgb"
        yield Other(f"--color {swapped}", contract, swapped=True)
    if one.photos.shaped:
        for name, other in ways_to_resize(contract):
            yield Other(name, other, resized=True)


def ways_to_resize(contract: InputContract) -> Iterator[tuple[str, InputContract]]:
    """What to write, and the contract of it, for every way but the stated one."""
    ways: dict[str, dict[str, Any]] = {
        "--resize stretch": {"resize": "stretch"},
        "--resize crop": {"resize": "crop", "crop_fraction": 1.0},
        "--resize crop --crop-fraction 0.875": {"resize": "crop", "crop_fraction": 0.875},
        "--resize letterbox": {"resize": "letterbox", "pad": LETTERBOX_GREY},
        "--resize letterbox --pad 0": {"resize": "letterbox", "pad": 0},
    }
    for name, update in ways.items():
        other = contract.model_copy(update=update)
        if any(getattr(contract, key) != value for key, value in update.items()):
            yield name, other


def _resized(paths: Iterator[Path], contract: InputContract, count: int) -> Pixels:
    """The same pictures, resized in another way."""
    preprocess = data.to_pixels(contract)
    pixels = np.zeros((count, contract.height, contract.width, contract.channels), np.uint8)
    for row, path in enumerate(paths):
        image = data.decoded(path)
        if image is not None:
            pixels[row] = preprocess(image)[0][0]
    return pixels
