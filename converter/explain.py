"""A classifier's model file and a picture -> which parts of the picture its answer stands on.

Occlusion (Zeiler and Fergus 2014, Visualizing and understanding convolutional networks): a window
of the picture's mean colour slides over what the network sees; where the probability falls, there
was the evidence. It asks the int8 file itself, as the device runs it, and needs no gradients. Given
the Keras model too, Grad-CAM on that stands beside it.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from converter import data as pictures
from converter import files, measure, ours
from converter.data import Pixels
from converter.loading import Loading
from converter.measure import Feed, Inferring, Scores
from converter.quiet import no_native_log
from converter.workshop import Workshop
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
    gradients: Heat | None = None
    """Grad-CAM of the Keras model, 0..1."""


def explain(
    model: Path, picture: Path, label: str | None = None, keras: Path | Loading | None = None
) -> Explanation:
    """Why `picture` is `label`; without one, the label that the model gives it.

    `keras` is the model that `model` was made of. Raises FatalError where the model is no
    classifier, lacks the label, the picture is none, or `keras` is another model.
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
    with no_native_log():
        network = open_runtime(loaded)
    whole = _chances(network, contract, pixels[None])[0]
    place = int(whole.argmax()) if label is None else contract.labels.index(label)
    source = Loading(keras) if isinstance(keras, Path) else keras
    gradients = None if source is None else _gradients(source, contract, pixels, place)
    left, covered = _covering(network, contract, pixels, place)
    seen, score = _shown(pixels, contract), float(whole[place])
    return Explanation(contract.labels[place], score, score - left, seen, covered, gradients)


def _gradients(keras: Loading, contract: Contract, pixels: Pixels, place: int) -> Heat:
    """Grad-CAM by the child process, which opens the file."""
    given = pixels if pixels.ndim == 3 else pixels[..., None]
    mean, std = (np.asarray(part, np.float32) for part in (contract.input.mean, contract.input.std))
    inputs = ((given - mean) / std)[None].astype(np.float32)
    with files.scratch_folder() as scratch, Workshop(scratch, progress=False) as workshop:
        np.save(scratch / "inputs.npy", inputs)
        request = keras.request() | {
            "inputs": str(scratch / "inputs.npy"),
            "place": place,
            "labels": len(contract.labels),
            "kind": contract.output.kind,
            "out": str(scratch / "evidence.npy"),
        }
        workshop.ask("grad_cam", f"opening {keras.path.name}", request)
        return np.asarray(np.load(scratch / "evidence.npy", allow_pickle=False), np.float32)


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
    """The picture as the network sees it, beside it the same with the evidence, and Grad-CAM's.

    Red: covered there, the probability falls; blue: it rises. The strongest is opaque. Grad-CAM
    knows red alone.
    """
    height, width = found.seen.shape[:2]
    size = (max(1, round(width * SHOWN / height)), SHOWN)
    seen = np.asarray(cv2.resize(found.seen, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    heats = [found.heat] if found.gradients is None else [found.heat, found.gradients]
    row = np.hstack([seen, *(marked(seen, heat) for heat in heats)])
    text = f"{found.label} {found.score:.2f}, {found.covered:.2f} with the worst window covered"
    head = np.full((HEAD, row.shape[1], 3), 255, np.uint8)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(
        head, plain, (8, HEAD - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
    )
    return np.vstack([head, row])


def marked(seen: Image, heat: Heat) -> Image:
    """(height, width, 3) B,G,R with the evidence over it: red for, blue against."""
    sized = cv2.resize(heat, (seen.shape[1], seen.shape[0]), interpolation=cv2.INTER_LINEAR)
    strength = np.abs(sized) / max(1 / 256, float(np.abs(sized).max()))
    colour = np.where(sized[..., None] > 0, (0, 0, 255), (255, 0, 0))
    share = 0.7 * strength[..., None]
    return (seen * (1 - share) + colour * share).astype(np.uint8)


def write(found: Explanation, out: Path) -> None:
    """The drawing as a PNG. Raises FatalError where it cannot be written."""
    _, encoded = cv2.imencode(".png", draw(found))
    files.write_whole(out, ours.signed(encoded.tobytes()))
