"""Detection decoders: known tensors become known boxes; NMS does what a plain loop does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.decode import anchors, open_decode
from edge.decode.boxes import Floats, corners, iou, suppress, to_frame
from edge.errors import FatalError
from edge.head import Nms, SsdAnchors
from edge.model import Contract
from edge.preprocess import Preprocess
from edge.types import Detection, Fit, TensorSpec

WHOLE = Fit(0, 0, 1, 1)
FLOAT = np.dtype(np.float32)


def contract(
    layout: str, labels: tuple[str, ...] = ("person", "car"), **output: object
) -> Contract:
    return Contract.model_validate(
        {
            "name": "yard", "task": "detect", "labels": labels,
            "input": {"width": 64, "height": 64, "resize": "letterbox"},
            "output": {"layout": layout, **output},
        }
    )  # fmt: skip


def floats(*shape: int, name: str = "out") -> TensorSpec:
    return TensorSpec(name, shape, FLOAT)


def brief(found: tuple[Detection, ...]) -> list[tuple[str, float, tuple[float, ...]]]:
    told = []
    for d in found:
        assert d.box is not None
        box = (d.box.x_min, d.box.y_min, d.box.x_max, d.box.y_max)
        told.append((d.label, round(d.score, 3), tuple(round(edge, 3) for edge in box)))
    return told


class TestSsdPostprocess:
    boxes = np.array([[[0.1, 0.2, 0.5, 0.6], [-0.1, 0.5, 0.5, 1.1], [0, 0, 1, 1]]], np.float32)
    classes = np.array([[1, 0, 0]], np.float32)
    scores = np.array([[0.6, 0.9, 0.99]], np.float32)
    count = np.array([2], np.float32)
    answer = (("person", 0.9, (0.5, -0.1, 1.1, 0.5)), ("car", 0.6, (0.2, 0.1, 0.6, 0.5)))

    def test_rows_up_to_the_count_become_detections_best_first(self) -> None:
        specs = (floats(1, 3, 4), floats(1, 3), floats(1, 3), floats(1))
        decode = open_decode(contract("ssd_postprocess"), specs)
        found = decode((self.boxes, self.classes, self.scores, self.count), WHOLE)
        assert tuple(brief(found)) == self.answer

    def test_the_ops_names_tell_the_order(self) -> None:
        name = "TFLite_Detection_PostProcess"
        specs = (
            floats(1, name=f"{name}:3"), floats(1, 3, name=f"{name}:1"),
            floats(1, 3, 4, name=name), floats(1, 3, name=f"{name}:2"),
        )  # fmt: skip
        decode = open_decode(contract("ssd_postprocess"), specs)
        assert tuple(brief(decode((self.count, self.classes, self.boxes, self.scores), WHOLE))) == (
            self.answer
        )

    def test_the_contract_tells_the_order_where_names_do_not(self) -> None:
        specs = (floats(1, 3), floats(1, 3, 4), floats(1), floats(1, 3))
        decode = open_decode(contract("ssd_postprocess", tensors=(1, 3, 0, 2)), specs)
        assert tuple(brief(decode((self.scores, self.boxes, self.count, self.classes), WHOLE))) == (
            self.answer
        )

    def test_a_classifier_is_not_taken_for_a_detector(self) -> None:
        with pytest.raises(FatalError, match=r"reads 4 tensors, got \[0, 1, 2, 3\]; the model has"):
            open_decode(contract("ssd_postprocess"), (floats(1, 2),))

    def test_wrong_shapes_are_named(self) -> None:
        specs = (floats(1, 3, 4), floats(1, 3), floats(1), floats(1, 3))
        with pytest.raises(FatalError, match=r"count \[1\], got 'out' \[1, 3, 4\]"):
            open_decode(contract("ssd_postprocess"), specs)


class TestYolo:
    def test_v8_columns_in_normalised_coordinates(self) -> None:
        table = np.zeros((1, 6, 50), np.float32)
        table[0, :, 7] = (0.5, 0.5, 0.2, 0.4, 0.1, 0.9)
        table[0, :, 8] = (0.51, 0.5, 0.2, 0.4, 0.1, 0.8)
        table[0, :, 9] = (0.5, 0.5, 0.2, 0.4, 0.7, 0.1)
        found = open_decode(contract("yolov8"), (floats(1, 6, 50),))((table,), WHOLE)
        box = (0.4, 0.3, 0.6, 0.7)
        assert brief(found) == [("car", 0.9, box), ("person", 0.7, box)]

    def test_nms_across_classes_keeps_the_best_label(self) -> None:
        table = np.zeros((1, 6, 50), np.float32)
        table[0, :, 7] = (0.5, 0.5, 0.2, 0.4, 0.1, 0.9)
        table[0, :, 9] = (0.5, 0.5, 0.2, 0.4, 0.7, 0.1)
        agnostic = contract("yolov8", nms={"per_class": False})
        found = open_decode(agnostic, (floats(1, 6, 50),))((table,), WHOLE)
        assert [d.label for d in found] == ["car"]

    def test_v5_rows_in_pixels_multiply_by_the_objectness(self) -> None:
        table = np.zeros((1, 30, 7), np.float32)
        table[0, 3] = (32, 32, 16, 32, 0.5, 0.9, 0.2)
        decode = open_decode(contract("yolov5", coordinates="pixels"), (floats(1, 30, 7),))
        assert brief(decode((table,), WHOLE)) == [("person", 0.45, (0.375, 0.25, 0.625, 0.75))]

    def test_an_int8_head_gives_what_its_scale_allows(self) -> None:
        spec = TensorSpec("out", (1, 6, 50), np.dtype(np.int8), 1 / 255, -128)
        table = np.full((1, 6, 50), -128, np.int8)
        real = np.array([0.5, 0.5, 0.2, 0.4, 0.0, 0.9])
        table[0, :, 3] = spec.quantize(real)
        ((label, score, box),) = brief(open_decode(contract("yolov8"), (spec,))((table,), WHOLE))
        assert label == "car"
        assert score == pytest.approx(0.9, abs=0.5 / 255 + 0.0005)
        assert box == pytest.approx((0.4, 0.3, 0.6, 0.7), abs=1.0 / 255 + 0.0005)

    def test_boxes_and_scores_apart_with_logits(self) -> None:
        boxes = np.zeros((1, 4, 50), np.float32)
        scores = np.full((1, 2, 50), -9.0, np.float32)
        boxes[0, :, 4] = (32, 32, 16, 32)
        scores[0, 1, 4] = 0.0
        told = contract("yolov8", kind="logits", coordinates="pixels")
        decode = open_decode(told, (floats(1, 2, 50), floats(1, 4, 50)))
        assert brief(decode((scores, boxes), WHOLE)) == [("car", 0.5, (0.375, 0.25, 0.625, 0.75))]

    def test_end_to_end_rows_are_taken_as_they_are(self) -> None:
        table = np.zeros((1, 5, 6), np.float32)
        table[0, 1] = (16, 16, 32, 48, 0.8, 1)
        decode = open_decode(contract("end_to_end", coordinates="pixels"), (floats(1, 5, 6),))
        assert brief(decode((table,), WHOLE)) == [("car", 0.8, (0.25, 0.25, 0.5, 0.75))]

    def test_a_head_of_another_model_is_refused(self) -> None:
        with pytest.raises(FatalError, match=r"make 6 values per place: expected \[1, n, 6\]"):
            open_decode(contract("yolov8"), (floats(1, 84, 8400),))


def test_layout_and_task_belong_together() -> None:
    with pytest.raises(ValueError, match=r"output\.layout is for task = detect"):
        Contract.model_validate(
            {"name": "x", "task": "detect", "labels": ["a"], "input": {"width": 8, "height": 8}}
        )
    with pytest.raises(ValueError, match="anchors belong to layout = ssd"):
        contract("ssd")


def test_multilabel_judges_every_label_for_itself() -> None:
    both = Contract.model_validate(
        {
            "name": "leaf", "task": "multilabel", "labels": ["rust", "mildew"],
            "input": {"width": 8, "height": 8}, "output": {"kind": "logits"},
        }
    )  # fmt: skip
    found = open_decode(both, (floats(1, 2),))((np.array([[0.0, 2.0]], np.float32),), WHOLE)
    assert [(d.label, round(d.score, 4)) for d in found] == [("mildew", 0.8808), ("rust", 0.5)]


BOXES = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 25), st.just(4)), elements=st.floats(0, 1, width=32)
)


@settings(deadline=None)
@given(BOXES, st.sampled_from([0.3, 0.45, 0.6]), st.booleans(), st.integers(0, 2**32 - 1))
def test_nms_is_the_plain_loop(
    centers: Floats, threshold: float, per_class: bool, seed: int
) -> None:
    boxes = corners(centers)
    chance = np.random.default_rng(seed)
    scores = chance.integers(0, 8, len(boxes)).astype(np.float32) / np.float32(8)
    classes = chance.integers(0, 2, len(boxes)).astype(np.intp)
    rule = Nms(iou=threshold, per_class=per_class, min_score=0.2, max_detections=10)
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda k: -scores[k]):
        rivals = [k for k in kept if not per_class or classes[k] == classes[index]]
        free = all(overlap(boxes[k], boxes[index]) <= threshold for k in rivals)
        if scores[index] >= 0.2 and free and len(kept) < 10:
            kept.append(index)
    assert suppress(boxes, scores, classes, rule).tolist() == kept


def overlap(one: Floats, other: Floats) -> float:
    return float(iou(one[None], other[None])[0, 0])


@given(BOXES)
def test_iou_is_symmetric_and_one_with_itself(centers: Floats) -> None:
    boxes = corners(centers)
    table = iou(boxes, boxes)
    assert np.array_equal(table, table.T)
    assert np.all((table >= 0) & (table <= 1))
    solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    assert np.allclose(np.diag(table)[solid & (np.diag(table) > 0)], 1)


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.sampled_from(["letterbox", "crop", "stretch"]),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_a_point_goes_into_the_input_and_back(
    width: int, height: int, resize: str, point: tuple[float, float]
) -> None:
    """What the picture's own pixels tell about where a point lies is what Fit says."""
    told = contract("yolov8").input.model_copy(update={"resize": resize})
    spec = TensorSpec("in", (1, 64, 64, 3), np.dtype(np.uint8), 1 / 255, 0)
    _, fit = Preprocess(told, spec)(np.zeros((height, width, 3), np.uint8))
    x, y = ((point[0] - fit.x_start) / fit.x_span, (point[1] - fit.y_start) / fit.y_span)
    box = to_frame(np.array([[x, y, x, y]], np.float32), fit)[0]
    assert box[:2] == pytest.approx(point, abs=1e-4 * max(1, fit.x_span, fit.y_span))


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (97, 31), (64, 64)])
def test_a_letterboxed_square_is_found_where_it_is(size: tuple[int, int]) -> None:
    """A white square in a black picture: its edges in the tensor, undone, are its edges."""
    height, width = size
    top, left, bottom, right = height // 4, width // 3, height * 3 // 4, width * 2 // 3
    image = np.zeros((height, width, 3), np.uint8)
    image[top:bottom, left:right] = 255
    spec = TensorSpec("in", (1, 64, 64, 3), np.dtype(np.uint8), 1 / 255, 0)
    tensor, fit = Preprocess(contract("yolov8").input, spec)(image)
    ys, xs = np.nonzero(tensor[0, :, :, 0] > 160)
    seen = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32) / np.float32(64)
    pixel = np.array([fit.x_span, fit.y_span] * 2) / 64
    expected = np.array([left / width, top / height, right / width, bottom / height])
    assert np.all(np.abs(to_frame(seen, fit)[0] - expected) <= pixel)


def test_encodings_beyond_all_sizes_stay_numbers() -> None:
    """What an untrained or a broken head may say: boxes as large as you like, but finite."""
    rule = SsdAnchors()
    priors = np.array([[0.5, 0.5, 0.1, 0.1]], np.float32)
    huge = np.array([[0.0, 0.0, 1e4, 1e4]], np.float32)
    assert np.isfinite(anchors.decode(huge, priors, rule)).all()
