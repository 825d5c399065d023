"""A classifier's model file and a picture -> which parts of the picture its answer stands on.

Occlusion (Zeiler and Fergus 2014, Visualizing and understanding convolutional networks): a window
of the picture's mean colour slides over what the network sees; where the probability falls, there
was the evidence. It asks the int8 file itself, as the device runs it, and needs no gradients.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from converter import data as pictures
from converter import files, measure
from converter.data import Pixels
from converter.measure import Feed, Inferring, Scores
from edge.decode.classify import independent, probabilities
from edge.errors import FatalError
from edge.model import Contract, load
from edge.runtime.runtime import open_runtime
from edge.types import Image

WINDOW = 1 / 4
"""The window's side, as a share of the picture's."""
STEPS = 16
"""The window moves by a 16th of the picture."""
SHOWN = 448
"""Height of each half of the drawing, pixels."""
HEAD = 28
"""Height of the line of text above, pixels."""

Heat = npt.NDArray[np.float32]
"""(height, width) in the network's pixels: how far the probability falls where it is covered."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a picture got its label."""

    label: str
    score: float
    """Its probability, 0..1."""
    heat: Heat
    seen: Image
    """(height, width, 3) B,G,R: the picture as the network sees it."""
    covered: float
    """The same with the worst window covered."""


def explain(model: Path, picture: Path, label: str | None = None) -> Explanation:
    """Why `picture` is `label`; without one, the label that the model gives it.

    Raises FatalError where the model is no classifier, lacks the label, or the picture is none.
    """
    loaded = load(model)
    contract = loaded.contract
    if contract.task == "detect":
        raise FatalError(f"{model}: is a detector: its boxes say where; explain is for classifiers")
    if label is not None and label not in contract.labels:
        raise FatalError(f"--label {label}: {model} has {', '.join(contract.labels[:8])}")
    image = pictures.decoded(picture)
    if image is None:
        raise FatalError(f"{picture}: is no readable picture")
    pixels = np.asarray(pictures.to_pixels(contract.input)(image)[0][0], np.uint8)
    network = open_runtime(loaded)
    whole = _chances(network, contract, pixels[None])[0]
    place = int(whole.argmax()) if label is None else contract.labels.index(label)
    left, covered = _covering(network, contract, pixels, place)
    shown, score = _shown(pixels, contract), float(whole[place])
    return Explanation(contract.labels[place], score, score - left, shown, covered)


def _covering(
    network: Inferring, contract: Contract, pixels: Pixels, place: int
) -> tuple[Heat, float]:
    """The label's probability, averaged over the windows that cover a pixel; and the lowest."""
    lowest = 1.0
    height, width = pixels.shape[:2]
    mean = pixels.mean(axis=(0, 1)).astype(np.uint8)
    total, times = np.zeros((2, height, width), np.float32)
    for rows in _spans(height):
        spans = _spans(width)
        covered = np.repeat(pixels[None], len(spans), axis=0)
        for one, columns in zip(covered, spans, strict=True):
            one[rows, columns] = mean
        chances = _chances(network, contract, covered)[:, place]
        for chance, columns in zip(chances, spans, strict=True):
            total[rows, columns] += chance
            times[rows, columns] += 1
        lowest = min(lowest, float(chances.min()))
    return np.asarray(total / times, np.float32), lowest


def _spans(length: int) -> list[slice]:
    """Where the window lies along one side; the last one ends with it."""
    size, step = max(1, round(length * WINDOW)), max(1, round(length / STEPS))
    starts = [*range(0, length - size, step), length - size]
    return [slice(start, start + size) for start in starts]


def _chances(network: Inferring, contract: Contract, pixels: Pixels) -> Scores:
    """(n, labels) probabilities."""
    raw = measure.scores(network, Feed(pixels, contract.input), "explaining", False)
    if contract.task == "multilabel":
        return np.asarray(independent(contract, raw), np.float32)
    return np.asarray(probabilities(contract, raw), np.float32)


def _shown(pixels: Pixels, contract: Contract) -> Image:
    match contract.input.color:
        case "rgb":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
        case "grey":
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
        case _:
            return pixels


def draw(found: Explanation) -> Image:
    """The picture as the network sees it, and beside it the same with the evidence.

    Red: covered there, the probability falls; blue: it rises. The strongest is opaque.
    """
    height, width = found.seen.shape[:2]
    size = (max(1, round(width * SHOWN / height)), SHOWN)
    seen = np.asarray(cv2.resize(found.seen, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    heat = cv2.resize(found.heat, size, interpolation=cv2.INTER_LINEAR)
    strength = np.abs(heat) / max(1 / 256, float(np.abs(heat).max()))
    colour = np.where(heat[..., None] > 0, (0, 0, 255), (255, 0, 0))
    share = 0.7 * strength[..., None]
    marked = (seen * (1 - share) + colour * share).astype(np.uint8)
    text = f"{found.label} {found.score:.2f}, {found.covered:.2f} with the worst window covered"
    head = np.full((HEAD, 2 * size[0], 3), 255, np.uint8)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(
        head, plain, (8, HEAD - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.vstack([head, np.hstack([seen, marked])])


def write(found: Explanation, out: Path) -> None:
    """The drawing as a PNG. Raises FatalError where it cannot be written."""
    files.check_writable(out)
    _, encoded = cv2.imencode(".png", draw(found))
    files.write_whole(out, encoded.tobytes())
