"""YOLO heads (v5; v8, v9, v11; end to end) of any quantisation -> Detections."""

import numpy as np

from edge.decode.boxes import Floats, Indices, corners, detections, suppress, to_frame
from edge.decode.classify import logistic
from edge.decode.tensors import Raw, boxes_first, listed, wanted
from edge.errors import FatalError
from edge.model import Contract
from edge.types import Detection, Fit, Tensor, TensorSpec


class Yolo:
    """One tensor of boxes and scores per place, or boxes and scores apart (own scales).

    A place holds centre x, centre y, width, height, then (v5) the objectness, then a score per
    label. Places may be rows or columns. Scores are looked at as they are quantised: only those
    that count become real numbers. Raises FatalError at construction where the shape differs.
    """

    def __init__(self, contract: Contract, outputs: tuple[TensorSpec, ...]) -> None:
        self._contract = contract
        self._objectness = int(contract.output.layout == "yolov5")
        told = contract.output.tensors
        split = len(outputs if told is None else told) == 2
        self._places = wanted(contract, outputs, boxes_first(outputs) if split else (0,))
        self._specs = tuple(outputs[place] for place in self._places)
        values = self._objectness + len(contract.labels)
        widths = (4, values) if split else (4 + values,)
        self._columns = tuple(
            _places_are_columns(spec, width)
            for spec, width in zip(self._specs, widths, strict=True)
        )
        self._unit = _unit(contract)

    def __call__(self, outputs: tuple[Tensor, ...], fit: Fit) -> tuple[Detection, ...]:
        """Keep what scores enough, suppress, undo the letterbox."""
        boxes, values = self._apart(outputs)
        rows, classes, scores = self._score(values)
        centers = self._specs[0].dequantize(boxes[rows]) * self._unit
        sound = np.isfinite(centers).all(axis=1)
        centers, classes, scores = centers[sound], classes[sound], scores[sound]
        rule = self._contract.output.nms
        found = corners(centers)
        kept = suppress(found, scores, classes, rule)
        return detections(
            to_frame(found[kept], fit), scores[kept], classes[kept], self._contract.labels
        )

    def raw(self, outputs: tuple[Tensor, ...]) -> Raw:
        """Every place's scores, the objectness among them, and its centre."""
        boxes, values = self._apart(outputs)
        scores = self._specs[-1].dequantize(values)
        return Raw(self._specs[-1].name, scores.ravel(), self._specs[0].dequantize(boxes[:, :2]))

    def _apart(self, outputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """(n, 4) boxes and (n, values) scores as they are quantised."""
        tables = [
            outputs[place][0].T if columns else outputs[place][0]
            for place, columns in zip(self._places, self._columns, strict=True)
        ]
        if len(tables) == 2:
            return tables[0], tables[1]
        return tables[0][:, :4], tables[0][:, 4:]

    def _score(self, values: Tensor) -> tuple[Indices, Indices, Floats]:
        """(n, values) raw -> rows that count, the best label of each and its score."""
        rule, spec = self._contract.output.nms, self._specs[-1]
        names = values[:, self._objectness :]
        best = spec.dequantize(names.max(axis=1))
        scores = self._real(best)
        if self._objectness:
            there = spec.dequantize(values[:, 0])
            best, scores = best + there, scores * self._real(there)
        rows = np.flatnonzero((scores >= rule.min_score) & np.isfinite(best))
        return rows, names[rows].argmax(axis=1), scores[rows]

    def _real(self, values: Floats) -> Floats:
        return logistic(values) if self._contract.output.kind == "logits" else values


class EndToEnd:
    """(1, n, 6): x_min, y_min, x_max, y_max, score, class; NMS ran in the graph (v10, nms=True).

    Raises FatalError at construction where the shape differs.
    """

    def __init__(self, contract: Contract, outputs: tuple[TensorSpec, ...]) -> None:
        self._contract = contract
        self._place = wanted(contract, outputs, (0,))[0]
        self._spec = outputs[self._place]
        if len(self._spec.shape) != 3 or self._spec.shape[2] != 6:
            raise FatalError(f"output tensor {listed((self._spec,))}: expected [1, n, 6]")
        self._unit = _unit(contract)

    def __call__(self, outputs: tuple[Tensor, ...], fit: Fit) -> tuple[Detection, ...]:
        """Rows above the least score -> Detections in the frame, best first."""
        table = self._spec.dequantize(outputs[self._place])[0]
        table = table[np.isfinite(table).all(axis=1)]
        rule = self._contract.output.nms
        order = np.argsort(-table[:, 4], kind="stable")
        rows = table[order[table[order, 4] >= rule.min_score][: rule.max_detections]]
        boxes = to_frame(rows[:, :4] * self._unit, fit)
        classes = np.rint(rows[:, 5]).astype(np.intp)
        return detections(boxes, rows[:, 4], classes, self._contract.labels)

    def raw(self, outputs: tuple[Tensor, ...]) -> Raw:
        """Every row's score, and the corners of those that count."""
        table = self._spec.dequantize(outputs[self._place])[0]
        counts = table[:, 4] >= self._contract.output.nms.min_score
        return Raw(self._spec.name, table[:, 4], table[counts, :2])


def _places_are_columns(spec: TensorSpec, width: int) -> bool:
    """Whether the values of a place lie along axis 1. Raises FatalError where neither fits."""
    if len(spec.shape) == 3 and spec.shape[2] == width:
        return False
    if len(spec.shape) == 3 and spec.shape[1] == width:
        return True
    raise FatalError(
        f"output tensor {listed((spec,))}: the contract's layout and labels make {width} values "
        f"per place: expected [1, n, {width}] or [1, {width}, n]"
    )


def _unit(contract: Contract) -> Floats:
    """(4,) what a coordinate is multiplied by to be 0..1 of the input."""
    if contract.output.coordinates == "normalized":
        return np.ones(4, np.float32)
    size = (contract.input.width, contract.input.height)
    return np.float32(1) / np.array(size * 2, np.float32)
