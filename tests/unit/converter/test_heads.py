"""What a detector's outputs are, told from their shapes and values, or asked for."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from converter.flatbuffer import pack
from converter.heads import Seen, head_of
from edge.errors import FatalError
from edge.types import TensorSpec

HEADS = Path(__file__).parents[2] / "golden" / "yolo" / "heads.npz"
SIDE, CELLS = 160, 525
"""20 * 20 + 10 * 10 + 5 * 5 cells of strides 8, 16 and 32."""
Values = npt.NDArray[np.float32]


def seen(*values: Values, labels: int = 6, side: int = SIDE) -> Seen:
    specs = tuple(
        TensorSpec(f"out_{place}", one.shape, np.dtype(np.float32))
        for place, one in enumerate(values)
    )
    return Seen(graph(), (side, side), labels, specs, values)


def graph() -> bytes:
    """A model without operators: what counts here are the outputs' shapes and values."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    one = schema.SubGraphT()
    one.operators, one.outputs, one.inputs, one.tensors = [], [], [], []
    model.subgraphs, model.operatorCodes, model.buffers = [one], [], []
    return pack(model)


def numbers(*shape: int, low: float = 0.0, high: float = 1.0) -> Values:
    random = np.random.default_rng(0)
    return random.uniform(low, high, shape).astype(np.float32)


@pytest.mark.parametrize("name", ["yolov5nu", "yolov8n", "yolo11n"])
def test_real_ultralytics_outputs(name: str) -> None:
    with np.load(HEADS) as arrays:
        values = np.asarray(arrays[name], np.float32)
    head = head_of(seen(values[None] if values.ndim == 2 else values), ())
    assert head.layout == "yolov8"
    assert head.kind == "probabilities"
    assert head.coordinates == "normalized"


def test_pixels_and_logits_are_seen() -> None:
    boxes, scores = numbers(1, CELLS, 4, high=SIDE), numbers(1, CELLS, 6, low=-9, high=2)
    head = head_of(seen(np.concatenate([boxes, scores], axis=2)), ())
    assert (head.layout, head.coordinates, head.kind) == ("yolov8", "pixels", "logits")


def test_boxes_and_scores_apart() -> None:
    head = head_of(seen(numbers(1, CELLS, 6), numbers(1, CELLS, 4, high=SIDE)), ())
    assert (head.layout, head.coordinates) == ("yolov8", "pixels")


def test_the_number_of_rows_tells_six_values_apart() -> None:
    """Objectness and one label, two labels, or corners, score and class: all are six."""
    assert head_of(seen(numbers(1, 3 * CELLS, 6), labels=1), ()).layout == "yolov5"
    assert head_of(seen(numbers(1, CELLS, 6), labels=2), ()).layout == "yolov8"
    assert head_of(seen(numbers(1, 300, 6), labels=2), ()).layout == "end_to_end"


def test_what_is_told_goes_before_what_is_seen() -> None:
    told = ("coordinates=pixels", "nms.iou=0.6", "nms.per_class=false", "tensors=[0]")
    head = head_of(seen(numbers(1, CELLS, 10)), told)
    assert (head.coordinates, head.nms.iou, head.nms.per_class) == ("pixels", 0.6, False)
    assert head.tensors == (0,)


def test_usual_anchors_are_known_by_their_number() -> None:
    boxes, scores = numbers(1, 1917, 4), numbers(1, 1917, 91)
    head = head_of(seen(boxes, scores, labels=90, side=300), ("layout=ssd",))
    assert head.anchors is not None
    assert (head.anchors.kind, head.kind) == ("ssd", "probabilities")
    head = head_of(seen(numbers(1, 19206, 90), numbers(1, 19206, 4), side=320), ("layout=ssd",))
    assert head.anchors is not None
    assert head.anchors.kind == "retina"


@pytest.mark.parametrize(
    ("values", "told", "line"),
    [
        ((1, 1000), (), r"'out_0' \[1, 1000\] with 6 labels fit no layout"),
        ((1, CELLS, 9), (), "check the number of labels"),
        ((1, CELLS, 10), ("layout=yolo",), "--head: layout: Input should be"),
        ((1, CELLS, 10), ("nms.iou=2",), "--head: nms.iou: "),
        ((1, CELLS, 10), ("colour=red",), "--head: colour: Extra inputs"),
        ((1, CELLS, 10), ("=",), "expected KEY=VALUE"),
        ((1, 12, 10), ("layout=ssd",), r"usual anchors give \[12\] rows"),
    ],
)
def test_what_does_not_fit_is_one_line(
    values: tuple[int, ...], told: tuple[str, ...], line: str
) -> None:
    with pytest.raises(FatalError, match=line):
        head_of(seen(numbers(*values)), told)
