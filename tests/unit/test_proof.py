"""A foreign model and its contract, looked at on a few pictures: used rightly, or refused."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from edge import model
from edge.errors import FatalError
from edge.head import OutputContract
from edge.model import Contract, InputContract
from edge.runtime import proof
from edge.runtime.litert import LiteRt
from edge.types import Fit, Tensor, TensorSpec
from tests.foreign import FLOAT, INT8, both, broken, changed, described, logits, pooled, top_k

WHOLE = Fit(0, 0, 1, 1)


def opened(path: Path) -> tuple[Any, Any]:
    loaded = model.load(path)
    runtime = LiteRt("", loaded.flatbuffer, 1)
    return proof.decoder(loaded, runtime.input, runtime.outputs), runtime


def refused(path: Path, *says: str) -> None:
    with pytest.raises(FatalError) as caught:
        opened(path)
    line = str(caught.value)
    assert line.startswith(str(path)) and "\n" not in line
    for part in says:
        assert part in line


@pytest.mark.usefixtures("testdata")
class TestClassifiers:
    @pytest.mark.parametrize("source", [FLOAT, INT8], ids=["float", "int8"])
    def test_logits_are_not_taken_for_probabilities(self, tmp_path: Path, source: Path) -> None:
        content = changed(source, logits)
        refused(described(tmp_path, content), "holds scores from -", 'output = { kind = "logits" }')
        decode, runtime = opened(described(tmp_path, content, 'output = { kind = "logits" }'))
        found = decode((np.zeros(runtime.output.shape, runtime.output.dtype),), WHOLE)
        assert sum(one.score for one in found) == pytest.approx(1)
        more = 'task = "multilabel"'
        refused(described(tmp_path, content, more), "go through the logistic function")

    def test_a_file_of_ours_keeps_what_its_thresholds_were_chosen_with(self) -> None:
        """Earlier versions took a softmax that they did not know for logits."""
        contract = Contract(
            name="m", labels=("a", "b"), output=OutputContract(kind="logits"),
            input=InputContract(width=96, height=96), flatbuffer_sha256="0" * 64,
        )  # fmt: skip
        spec = TensorSpec("scores", (1, 2), np.dtype(np.float32))
        proof.check(contract, FLOAT.read_bytes(), (spec,), [(np.full((1, 2), 0.5, np.float32),)])

    @pytest.mark.parametrize("source", [FLOAT, INT8], ids=["float", "int8"])
    def test_probabilities_are_not_taken_for_logits(self, tmp_path: Path, source: Path) -> None:
        path = described(tmp_path, source.read_bytes(), 'output = { kind = "logits" }')
        refused(path, "output.kind: is logits", "holds probabilities")
        opened(described(tmp_path, source.read_bytes()))

    def test_of_several_outputs_the_one_that_is_told(self, tmp_path: Path) -> None:
        content = changed(FLOAT, both)
        refused(described(tmp_path, content), "holds scores from -")
        decode, _ = opened(described(tmp_path, content, "output = { tensors = [1] }"))
        outputs = (np.array([[9, 0]], np.float32), np.array([[0.2, 0.8]], np.float32))
        assert decode(outputs, WHOLE)[0].label == "label_1"
        refused(described(tmp_path, content, "output = { tensors = [2] }"), "output.tensors: ")

    def test_of_several_outputs_the_one_that_fits_the_labels(self, tmp_path: Path) -> None:
        decode, runtime = opened(described(tmp_path, changed(FLOAT, pooled)))
        outputs = [np.zeros(spec.shape, spec.dtype) for spec in runtime.outputs]
        outputs[1][:] = [[0.2, 0.8]]
        assert decode(tuple(outputs), WHOLE)[0].label == "label_1"

    def test_a_network_that_knows_no_numbers(self, tmp_path: Path) -> None:
        refused(described(tmp_path, changed(FLOAT, broken)), "(NaN) for any of 2 pictures")

    def test_the_best_two_are_not_the_scores_of_two_labels(self, tmp_path: Path) -> None:
        refused(described(tmp_path, changed(FLOAT, top_k)), "from TOPK_V2: sorted")
        more = "output = { tensors = [1] }"
        refused(described(tmp_path, changed(FLOAT, top_k), more), "holds whole numbers (int32)")

    def test_softmax_over_one_score_says_nothing(self) -> None:
        one = Contract.model_validate(
            {"name": "m", "labels": ["a"], "input": {"width": 96, "height": 96}}
        )
        spec = TensorSpec("scores", (1, 1), np.dtype(np.float32))
        with pytest.raises(FatalError, match="softmax over one score is always 1"):
            proof.check(one, FLOAT.read_bytes(), (spec,), [(np.ones((1, 1), np.float32),)])


@pytest.mark.usefixtures("testdata")
@pytest.mark.parametrize("task", ["classify", "multilabel"])
def test_logits_that_lie_in_0_to_1_by_chance(task: Literal["classify", "multilabel"]) -> None:
    contract = Contract(
        name="m", task=task, labels=("a", "b"), input=InputContract(width=96, height=96)
    )
    content, spec = changed(FLOAT, logits), TensorSpec("out", (1, 2), np.dtype(np.float32))
    rows = [(np.array([[0.3, 0.9]], np.float32),), (np.array([[0.1, 0.2]], np.float32),)]
    with pytest.raises(FatalError, match=r"come from FULLY_CONNECTED without softmax or sigmoid"):
        proof.check(contract, content, (spec,), rows)
    told = contract.model_copy(update={"output": OutputContract(kind="logits")})
    proof.check(told, content, (spec,), rows)


def head(layout: str, **output: Any) -> Contract:
    return Contract.model_validate(
        {
            "name": "m", "task": "detect", "labels": ["a", "b"],
            "input": {"width": 64, "height": 64}, "output": {"layout": layout, **output},
        }
    )  # fmt: skip


def yolo(side: float, least: float = 0.0, most: float = 1.0) -> Tensor:
    random = np.random.default_rng(1)
    boxes, scores = random.uniform(0, side, (84, 4)), random.uniform(least, most, (84, 2))
    return np.hstack([boxes, scores]).astype(np.float32)[None]


@pytest.mark.parametrize(
    ("output", "values", "says"),
    [
        ({}, yolo(1), ""),
        ({}, yolo(64), "output.coordinates: are normalized, and boxes lie at 63"),
        ({"coordinates": "pixels"}, yolo(64), ""),
        ({"coordinates": "pixels"}, yolo(1), "output.coordinates: are pixels, and no box lies"),
        ({}, yolo(1, -7, 5), 'output = { kind = "logits" }'),
        ({"kind": "logits"}, yolo(1, -7, 5), ""),
        ({"kind": "logits"}, yolo(1), "output.kind: is logits"),
    ],
)
def test_a_yolo_heads_units(output: dict[str, Any], values: Tensor, says: str) -> None:
    spec = TensorSpec("out", values.shape, values.dtype)
    contract = head("yolov8", **output)
    if not says:
        proof.check(contract, b"", (spec,), [(values,)])
        return
    with pytest.raises(FatalError) as caught:
        proof.check(contract, b"", (spec,), [(values,)])
    assert says in str(caught.value)


def test_a_graph_that_chooses_boxes_by_logits() -> None:
    outputs = (
        np.full((1, 2, 4), 0.5, np.float32), np.zeros((1, 2), np.float32),
        np.array([[5.04, 0.3]], np.float32), np.array([2], np.float32),
    )  # fmt: skip
    specs = tuple(TensorSpec(f"out_{i}", o.shape, o.dtype) for i, o in enumerate(outputs))
    with pytest.raises(FatalError, match=r"from 0\.3 to 5\.04.*sigmoid or softmax before its box"):
        proof.check(head("ssd_postprocess"), b"", specs, [outputs])


def test_an_output_that_changes_its_shape() -> None:
    """As in graphs whose NMS gives as many rows as there are boxes."""
    spec = TensorSpec("out", (1, 1, 6), np.dtype(np.float32))
    with pytest.raises(FatalError, match=r"'out' changes its shape from \[1, 1, 6\] to \[1, 7, 6"):
        proof.check(head("end_to_end"), b"", (spec,), [(np.zeros((1, 7, 6), np.float32),)])
