"""Two answers to one picture, as labels and boxes: whether they say the same."""

import numpy as np

from edge.decode import Decode, open_decode
from edge.decode.boxes import Floats, iou
from edge.errors import FatalError
from edge.model import Contract
from edge.types import Detection, Tensor, TensorSpec

CLEAR = 0.3
"""From this score on a box, and by this much above the next a label, is meant."""
SCORE = 0.2
"""By how much two scores of the same may differ."""
OVERLAP = 0.4
"""Two boxes that overlap by more are one: of near ties, either may be kept."""


def parts(output: Tensor, contract: Contract | None) -> list[Tensor]:
    """An output, cut where boxes and scores lie side by side: in parts with one unit each."""
    layout = contract.output.layout if contract else None
    if contract is None or layout not in ("yolov5", "yolov8", "end_to_end"):
        return [output]
    width = 6 if layout == "end_to_end" else 4 + len(contract.labels) + (layout == "yolov5")
    cuts = [4, 5] if layout == "end_to_end" else [4]
    for axis in (2, 1):
        if output.ndim == 3 and output.shape[axis] == width:
            return np.split(output, cuts, axis)
    return [output]


def decoder(contract: Contract, outputs: tuple[TensorSpec, ...]) -> Decode | None:
    """None where the contract does not fit: that is told elsewhere."""
    try:
        return open_decode(contract, outputs)
    except FatalError:
        return None


def compare(given: tuple[Detection, ...], right: tuple[Detection, ...], whose: str) -> None:
    """Raises FatalError where a clear answer of either is not the other's."""
    if any(detection.box is None for detection in (*given, *right)):
        _compare_labels(given, right, whose)
        return
    for one, other, verb in ((right, given, "lacks"), (given, right, "adds")):
        for detection in one:
            least = CLEAR if verb == "lacks" else CLEAR + SCORE
            if detection.score >= least and not _is_among(detection, other):
                raise FatalError(
                    f"its answers differ from {whose}: it {verb} a box of {detection.label!r} "
                    f"with the score {detection.score:.2f}"
                )


def _compare_labels(given: tuple[Detection, ...], right: tuple[Detection, ...], whose: str) -> None:
    best, second = right[0], right[1].score if len(right) > 1 else 0.0
    scores = {detection.label: detection.score for detection in reversed(given)}
    same = given[0].label == best.label or best.score - second < CLEAR
    if not same or abs(scores.get(best.label, 0.0) - best.score) > SCORE:
        raise FatalError(
            f"its answers differ from {whose}: {given[0].label!r} with {given[0].score:.2f} "
            f"instead of {best.label!r} with {best.score:.2f}"
        )


def _is_among(detection: Detection, others: tuple[Detection, ...]) -> bool:
    alike = [
        other
        for other in others
        if other.label == detection.label and abs(other.score - detection.score) <= SCORE
    ]
    if not alike:
        return False
    return bool((iou(_boxes((detection,)), _boxes(tuple(alike))) > OVERLAP).any())


def _boxes(detections: tuple[Detection, ...]) -> Floats:
    boxes = [d.box for d in detections if d.box is not None]
    return np.array([(b.x_min, b.y_min, b.x_max, b.y_max) for b in boxes], np.float32)
