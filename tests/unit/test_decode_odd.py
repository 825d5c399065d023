"""Outputs that are no numbers, several outputs, more boxes than the usual limit."""

import json
from typing import Any

import numpy as np
import pytest

from edge.decode import open_decode
from edge.decode.boxes import suppress
from edge.errors import FatalError
from edge.feed.payloads import scored
from edge.head import Nms
from edge.model import Contract
from edge.types import Detection, Fit, Tensor, TensorSpec

WHOLE = Fit(0, 0, 1, 1)
FLOAT = np.dtype(np.float32)
BAD = (np.nan, np.inf, -np.inf)


def contract(task: str = "classify", labels: int = 3, **output: Any) -> Contract:
    size = {"width": 64, "height": 64}
    names = [f"label_{number}" for number in range(labels)]
    fields = {"name": "m", "task": task, "labels": names, "input": size, "output": output}
    return Contract.model_validate(fields)


def decoded(described: Contract, *outputs: Tensor) -> tuple[Detection, ...]:
    """As the feed would carry them: every number is one."""
    specs = tuple(TensorSpec(f"out_{i}", o.shape, o.dtype) for i, o in enumerate(outputs))
    found = open_decode(described, specs)(outputs, WHOLE)
    for detection in found:
        json.dumps(scored(detection).model_dump(), allow_nan=False)
        assert 0 <= detection.score <= 1
    return found


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
@pytest.mark.parametrize("task", ["classify", "multilabel"])
@pytest.mark.parametrize("bad", BAD)
def test_a_frame_whose_scores_are_no_numbers_is_unknown(bad: float, task: str, kind: str) -> None:
    scores = np.array([[0.1, bad, 0.2]], np.float32)
    assert decoded(contract(task, kind=kind), scores) == (Detection("unknown", 0.0),)


def test_a_probability_that_rounding_took_over_1_is_1() -> None:
    found = decoded(contract(), np.array([[1.0000002, -1e-7, 0]], np.float32))
    assert [d.score for d in found] == [1, 0, 0]


POSTPROCESSED = (
    np.array([[[0.1, 0.2, 0.5, 0.6], [0.2, 0.5, 0.5, 0.9]]], np.float32),
    np.array([[1, 0]], np.float32),
    np.array([[0.6, 0.9]], np.float32),
    np.array([2], np.float32),
)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(("output", "left"), [(0, 1), (1, 1), (2, 1)])
def test_a_postprocessed_box_that_is_no_number_is_none(bad: float, output: int, left: int) -> None:
    outputs = [one.copy() for one in POSTPROCESSED]
    outputs[output][0, 0] = bad
    assert len(decoded(contract("detect", layout="ssd_postprocess"), *outputs)) == left


@pytest.mark.parametrize(("count", "found"), [(np.nan, 0), (np.inf, 2), (-3, 0), (9, 2)])
def test_a_count_that_is_no_number_of_boxes(count: float, found: int) -> None:
    outputs = (*POSTPROCESSED[:3], np.array([count], np.float32))
    assert len(decoded(contract("detect", layout="ssd_postprocess"), *outputs)) == found


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("value", range(6))
def test_a_row_of_an_end_to_end_head_that_is_no_number_is_none(bad: float, value: int) -> None:
    rows = np.array([[[0.1, 0.1, 0.5, 0.5, 0.9, 0], [0.5, 0.5, 0.9, 0.9, 0.8, 1]]], np.float32)
    rows[0, 0, value] = bad
    (found,) = decoded(contract("detect", layout="end_to_end"), rows)
    assert found.label == "label_1"


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("layout", ["yolov5", "yolov8"])
@pytest.mark.parametrize("value", range(5))
def test_a_place_of_a_yolo_head_that_is_no_number_is_none(
    bad: float, value: int, layout: str
) -> None:
    rows = np.full((1, 9, 5 + (layout == "yolov5")), 0.9, np.float32)
    rows[0, :, :4] = [0.5, 0.5, 0.2, 0.2]
    rows[0, 1:, 4:] = 0.0
    rows[0, 0, value] = bad
    assert decoded(contract("detect", 1, layout=layout), rows) == ()


ANCHORS = {"kind": "ssd", "strides": [32, 64], "reduce_lowest": False, "aspect_ratios": [1.0]}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("output", [0, 1])
def test_an_anchor_that_is_no_number_is_none(bad: float, output: int) -> None:
    boxes, scores = np.zeros((1, 10, 4), np.float32), np.full((1, 10, 3), -9, np.float32)
    scores[0, 0] = 2.0
    (boxes, scores)[output][0, 0, :] = bad
    head = contract("detect", layout="ssd", kind="logits", anchors=ANCHORS)
    assert decoded(head, boxes, scores) == ()


class TestSeveralOutputs:
    features = np.full((1, 5), 7, np.float32)
    scores = np.array([[0.1, 0.7, 0.2]], np.float32)
    other = np.array([[0.9, 0.05, 0.05]], np.float32)

    def test_a_classifiers_scores_are_those_that_are_as_many_as_the_labels(self) -> None:
        assert decoded(contract(), self.features, self.scores)[0].label == "label_1"

    def test_output_tensors_says_which(self) -> None:
        assert decoded(contract(), self.other, self.scores)[0].label == "label_0"
        assert decoded(contract(tensors=[1]), self.other, self.scores)[0].label == "label_1"
        logits = contract("multilabel", tensors=[1], kind="logits")
        assert decoded(logits, self.other, self.scores)[0].score > 0.6

    @pytest.mark.parametrize("tensors", [[2], [-1], [0, 1], []])
    def test_output_tensors_that_are_not_there(self, tensors: list[int]) -> None:
        with pytest.raises(FatalError, match=r"output.tensors: classify reads 1 tensors, got"):
            decoded(contract(tensors=tensors), self.other, self.scores)

    def test_one_tensor_for_two_purposes(self) -> None:
        head = contract("detect", layout="yolov8", tensors=[0, 0])
        with pytest.raises(FatalError, match=r"output.tensors: layout yolov8 reads 2 tensors, got"):
            decoded(head, np.zeros((1, 9, 4), np.float32), np.zeros((1, 9, 3), np.float32))

    @pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
    def test_whole_numbers_are_no_scores(self, dtype: str) -> None:
        with pytest.raises(FatalError, match=r"whole numbers .* without top_k or argmax"):
            decoded(contract(), np.zeros((1, 3), dtype))


@pytest.mark.parametrize(("most", "kept"), [(1000, 700), (500, 500), (300, 300), (100, 100)])
def test_as_many_boxes_as_max_detections_allows(most: int, kept: int) -> None:
    """Each of 700 objects has two boxes, one a little better than the other."""
    corner = np.repeat(np.arange(700, dtype=np.float32)[:, None] / 700, 2, axis=0)
    boxes = np.hstack([corner, corner, corner + 0.0007, corner + 0.0007]).astype(np.float32)
    scores = np.linspace(0.9, 0.5, 1400).astype(np.float32)
    classes = np.zeros(1400, np.intp)
    found = suppress(boxes, scores, classes, Nms(max_detections=most))
    assert found.tolist() == list(range(0, 2 * kept, 2))
