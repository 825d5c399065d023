"""Arrays of boxes: overlap, suppression, from the network's input to the frame.

A box array is (n, 4) float32: x_min, y_min, x_max, y_max.
"""

import numpy as np
import numpy.typing as npt

from edge.head import Nms
from edge.types import Box, Detection, Fit

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

CANDIDATES = 300
"""The best-scored boxes that NMS looks at, and at once: its cost grows with their square."""
CANDIDATES_EACH = 3
"""More of them where more are to be kept: so many for each of `max_detections`."""


def corners(centers: Floats) -> Floats:
    """(n, 4) centre x, centre y, width, height -> a box array."""
    half = centers[:, 2:] / 2
    return np.concatenate([centers[:, :2] - half, centers[:, :2] + half], axis=1)


def iou(one: Floats, other: Floats) -> Floats:
    """(n, 4) and (m, 4) boxes -> (n, m) intersection over union; 0 where both are empty."""
    lower = np.maximum(one[:, None, :2], other[None, :, :2])
    upper = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(upper - lower, 0, None).prod(axis=2)
    union = _area(one)[:, None] + _area(other)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def suppress(boxes: Floats, scores: Floats, classes: Indices, rule: Nms) -> Indices:
    """Greedy non-maximum suppression -> indices of the boxes that stay, best first.

    Of two boxes (of one class, unless the rule is class-agnostic) whose IoU is above the rule's,
    the one with the lower score goes; equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    most = max(CANDIDATES, CANDIDATES_EACH * rule.max_detections)
    order = order[scores[order] >= rule.min_score][:most]
    kept = order[:0]
    for start in range(0, len(order), CANDIDATES):
        block = order[start : start + CANDIDATES]
        block = block[~_clash(boxes, classes, (kept, block), rule).any(axis=0)]
        clash = _clash(boxes, classes, (block, block), rule)
        alive = np.ones(len(block), bool)
        for index in range(len(block)):
            if alive[index]:
                alive[index + 1 :] &= ~clash[index, index + 1 :]
        kept = np.concatenate([kept, block[alive]])[: rule.max_detections]
        if len(kept) == rule.max_detections:
            break
    return kept


def _clash(
    boxes: Floats, classes: Indices, pair: tuple[Indices, Indices], rule: Nms
) -> npt.NDArray[np.bool_]:
    """(n, m): which of the second boxes the first ones would suppress."""
    one, other = pair
    clash = iou(boxes[one], boxes[other]) > rule.iou
    if rule.per_class:
        clash &= classes[one][:, None] == classes[other][None, :]
    return clash


def to_frame(boxes: Floats, fit: Fit) -> Floats:
    """Boxes normalised to the network's input -> normalised to the frame.

    Nothing is cut: detectors reach a little beyond the frame, and say so in their own tests.
    """
    start = np.array([fit.x_start, fit.y_start] * 2, np.float32)
    span = np.array([fit.x_span, fit.y_span] * 2, np.float32)
    return start + boxes * span


def detections(
    boxes: Floats, scores: Floats, classes: Indices, labels: tuple[str, ...]
) -> tuple[Detection, ...]:
    """Boxes in the frame -> Detections in the same order; empty boxes are left out, and those
    that no number describes."""
    sound = np.isfinite(scores) & np.isfinite(boxes).all(axis=1)
    boxes, scores, classes = boxes[sound], scores[sound], classes[sound]
    found = []
    for box, score, index in zip(boxes.tolist(), scores.tolist(), classes.tolist(), strict=True):
        if box[2] > box[0] and box[3] > box[1]:
            label = labels[index] if 0 <= index < len(labels) else f"class_{index}"
            found.append(Detection(label, min(max(score, 0.0), 1.0), Box(*box)))
    return tuple(found)


def _area(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1), np.float32)
