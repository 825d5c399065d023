"""SSD and EfficientDet -> Detections: the post-processing op's outputs, or the raw heads."""

import numpy as np

from edge.decode import anchors
from edge.decode.boxes import Floats, detections, suppress, to_frame
from edge.decode.classify import logistic
from edge.decode.tensors import Raw, boxes_first, listed, postprocess_order, wanted
from edge.errors import FatalError
from edge.model import Contract
from edge.types import Detection, Fit, Tensor, TensorSpec


class SsdPostprocess:
    """The four outputs of TFLite_Detection_PostProcess, whose NMS ran in the graph.

    Boxes (1, n, 4) as y_min, x_min, y_max, x_max; classes (1, n), 0 for the first label;
    scores (1, n); count (1). Raises FatalError at construction where the shapes differ.
    """

    def __init__(self, contract: Contract, outputs: tuple[TensorSpec, ...]) -> None:
        self._places = wanted(contract, outputs, postprocess_order(outputs))
        self._specs = tuple(outputs[place] for place in self._places)
        boxes, classes, scores, count = (spec.shape for spec in self._specs)
        if boxes[2:] != (4,) or classes != boxes[:2] or scores != boxes[:2] or count != (1,):
            raise FatalError(
                "output.tensors: expected boxes [1, n, 4], classes [1, n], scores [1, n], count "
                f"[1], got {listed(self._specs)}"
            )
        self._labels = contract.labels

    def __call__(self, outputs: tuple[Tensor, ...], fit: Fit) -> tuple[Detection, ...]:
        """The op's first `count` rows -> Detections in the frame, best first."""
        boxes, classes, scores = self._counted(outputs)
        rows = np.flatnonzero(np.isfinite(scores) & np.isfinite(classes))
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        found = to_frame(boxes[rows][:, [1, 0, 3, 2]], fit)
        return detections(found, scores[rows], classes[rows].astype(np.intp), self._labels)

    def raw(self, outputs: tuple[Tensor, ...]) -> Raw:
        """The rows that the op counts."""
        boxes, _, scores = self._counted(outputs)
        return Raw(self._specs[2].name, scores, (boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5))

    def _counted(self, outputs: tuple[Tensor, ...]) -> tuple[Floats, Floats, Floats]:
        """Boxes, classes and scores, as many as the op says there are."""
        boxes, classes, scores, count = (
            spec.dequantize(outputs[place])[0]
            for spec, place in zip(self._specs, self._places, strict=True)
        )
        there = int(np.clip(np.nan_to_num(count), 0, len(scores)))
        return boxes[:there], classes[:there], scores[:there]


class SsdHead:
    """Box encodings (1, anchors, 4) and scores (1, anchors, labels), or one more: background.

    Raises FatalError at construction where shapes, anchors and labels do not agree.
    """

    def __init__(self, contract: Contract, outputs: tuple[TensorSpec, ...]) -> None:
        self._places = wanted(contract, outputs, boxes_first(outputs))
        self._specs = tuple(outputs[place] for place in self._places)
        rule = contract.output.anchors
        assert rule is not None, "the contract refuses layout = ssd without anchors"
        self._rule = rule
        self._anchors = anchors.make(rule, contract.input.height, contract.input.width)
        self._contract = contract
        boxes, scores = (spec.shape for spec in self._specs)
        names = len(contract.labels)
        if boxes[-1] != 4 or boxes[:-1] != scores[:-1] or scores[-1] not in (names, names + 1):
            raise FatalError(
                f"output.tensors: expected boxes [1, n, 4] and scores [1, n, {names}] (one more "
                f"with a background), got {listed(self._specs)}"
            )
        if boxes[-2] != len(self._anchors):
            raise FatalError(
                f"output.anchors: they give {len(self._anchors)} anchors, tensor "
                f"{self._specs[0].name!r} has {boxes[-2]} rows"
            )
        self._background = scores[-1] - names

    def __call__(self, outputs: tuple[Tensor, ...], fit: Fit) -> tuple[Detection, ...]:
        """Decode the anchors whose best label counts, suppress, place in the frame."""
        rule = self._contract.output.nms
        raw = outputs[self._places[1]][0][:, self._background :]
        classes = raw.argmax(axis=1)
        best = scores = self._specs[1].dequantize(raw[np.arange(len(raw)), classes])
        if self._contract.output.kind == "logits":
            scores = logistic(best)
        rows = np.flatnonzero((scores >= rule.min_score) & np.isfinite(best))
        encodings = self._specs[0].dequantize(outputs[self._places[0]][0][rows])
        sound = np.isfinite(encodings).all(axis=1)
        encodings, rows = encodings[sound], rows[sound]
        boxes = anchors.decode(encodings, self._anchors[rows], self._rule)
        kept = suppress(boxes, scores[rows], classes[rows], rule)
        found = to_frame(boxes[kept], fit)
        return detections(found, scores[rows][kept], classes[rows][kept], self._contract.labels)

    def raw(self, outputs: tuple[Tensor, ...]) -> Raw:
        """Every anchor's scores."""
        spec = self._specs[1]
        real = spec.dequantize(outputs[self._places[1]][0][:, self._background :])
        return Raw(spec.name, real.ravel())
