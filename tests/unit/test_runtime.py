"""The runtime: real models run, golden vectors are replayed, what disagrees is refused."""

import dataclasses
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import model
from edge.decode import Classify
from edge.errors import FatalError
from edge.head import OutputContract
from edge.model import Contract, Golden
from edge.preprocess import Preprocess
from edge.runtime import verify
from edge.runtime.litert import LiteRt
from edge.runtime.runtime import open_runtime
from edge.types import Tensor, TensorSpec


def test_the_reference_model_reaches_its_stated_accuracy(vww: Path, testdata: Path) -> None:
    """87.0 % on vww01-open, measured independently (testdata/README.md)."""
    loaded = model.load(vww)
    runtime = open_runtime(loaded)
    preprocess = Preprocess(loaded.contract.input, runtime.input)
    decode = Classify(loaded.contract, runtime.output)
    pictures = sorted((testdata / "images/vww01-open").glob("*/*.png"))
    right = 0
    for path in pictures:
        image = cv2.imread(str(path))
        assert image is not None
        tensor, fit = preprocess(np.asarray(image, np.uint8))
        right += decode(runtime.infer(tensor), fit)[0].label == path.parent.name
    assert (right, len(pictures)) == (114, 131)


def golden(loaded: model.Model, shift: int) -> model.Model:
    runtime = open_runtime(loaded)
    inputs = np.random.default_rng(1).integers(-128, 128, (3, *runtime.input.shape[1:]), np.int8)
    outputs = np.stack([runtime.infer(image[None])[0][0] for image in inputs]).astype(np.int16)
    wrong = (outputs + np.where(outputs > 0, -shift, shift)).astype(np.int8)
    return dataclasses.replace(loaded, golden=Golden(inputs, wrong))


def test_golden_vectors_that_agree_let_the_delegate_pass(vww: Path) -> None:
    assert open_runtime(golden(model.load(vww), shift=0)).delegate == "cpu"


def test_a_delegate_that_disagrees_is_refused_with_the_difference(vww: Path) -> None:
    with pytest.raises(
        FatalError, match=r"no delegate runs this model: cpu: .* by 20 quantisation"
    ):
        open_runtime(golden(model.load(vww), shift=20))


def test_unknown_delegates_are_refused_and_the_next_one_is_used(vww: Path) -> None:
    runtime = open_runtime(model.load(vww), ("warp", "cpu"))
    assert runtime.delegate == "cpu"
    (refusal,) = runtime.refused
    assert refusal.delegate == "warp"
    assert refusal.reason.startswith("unknown delegate 'warp'; known: cpu, gpu, edgetpu")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("invalid_quant_dimension__tflm_person_detect.tflite", "quantized_dimension must be"),
        ("unresolved_custom_op__fake-op-double.tflite", "fake-op-double"),
        ("unresolved_custom_op__posenet_decoder.tflite", "PosenetDecoderOp"),
        ("edgetpu_compiled__mobilenet_v1_0.25_128_quant_edgetpu.tflite", "edgetpu-custom-op"),
    ],
)
def test_models_that_litert_refuses_are_named_with_its_reason(
    testdata: Path, name: str, reason: str
) -> None:
    path = testdata / "models/bad" / name
    with pytest.raises(FatalError) as caught:
        LiteRt(str(path), path.read_bytes(), threads=1)
    assert name in str(caught.value) and reason in str(caught.value)
    assert "\n" not in str(caught.value)


class Fixed:
    """An interpreter of two outputs that always answers the same."""

    inputs: tuple[TensorSpec, ...] = (TensorSpec("image", (1, 4, 4, 3), np.dtype(np.int8), 1.0),)
    outputs: tuple[TensorSpec, ...] = (
        TensorSpec("boxes", (1, 2, 4), np.dtype(np.int8), 0.1),
        TensorSpec("scores", (1, 2, 3), np.dtype(np.int8), 0.1),
    )

    def __init__(self, boxes: int, scores: int) -> None:
        self._answers = (np.full((1, 2, 4), boxes, np.int8), np.full((1, 2, 3), scores, np.int8))

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        return self._answers

    def invoke(self) -> None: ...


def test_golden_vectors_hold_every_output() -> None:
    """A delegate whose boxes are right and whose scores are not is refused."""
    inputs = np.zeros((2, 4, 4, 3), np.int8)
    boxes, scores = np.ones((2, 2, 4), np.int8), np.full((2, 2, 3), 100, np.int8)
    whole = Golden(inputs, boxes, (scores,))
    verify.replay(Fixed(1, 100), whole)
    with pytest.raises(FatalError, match="228 quantisation steps"):
        verify.replay(Fixed(1, -128), whole)
    with pytest.raises(FatalError, match="shape"):
        verify.replay(Fixed(1, 100), Golden(inputs, boxes, (scores[:, :1],)))
    with pytest.raises(FatalError, match="3 outputs, the model has 2"):
        verify.replay(Fixed(1, 100), Golden(inputs, boxes, (scores, scores)))


def test_golden_vectors_of_one_output_are_known_not_to_be_all() -> None:
    """Files of earlier versions: what they leave out is compared with the CPU."""
    older = Golden(np.zeros((1, 4, 4, 3), np.int8), np.ones((1, 2, 4), np.int8))
    assert not verify.covers(older, Fixed(1, 100))
    assert verify.covers(Golden(older.inputs, older.outputs, (older.outputs,)), Fixed(1, 100))


class Answering(Fixed):
    """One that answers the first input with the first row, and so on."""

    def __init__(self, *outputs: Tensor, scale: float = 0.0) -> None:
        self.outputs = tuple(
            TensorSpec(f"out_{i}", (1, *o.shape[1:]), o.dtype, scale) for i, o in enumerate(outputs)
        )
        self._rows = cycle(range(len(outputs[0])))
        self._all = outputs

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG002
        row = next(self._rows)
        return tuple(output[row : row + 1] for output in self._all)


def head(layout: str | None = "yolov8", labels: int = 3) -> Contract:
    described = {
        "name": "m",
        "task": "detect" if layout else "classify",
        "labels": [f"label_{n}" for n in range(labels)],
        "input": {"width": 640, "height": 640},
        "output": {"layout": layout, "coordinates": "pixels" if layout else "normalized"},
    }
    return Contract.model_validate(described)


def compare(
    right: tuple[Tensor, ...], given: tuple[Tensor, ...], contract: Contract, scale: float = 0.0
) -> None:
    """As golden vectors, and as the CPU's answers."""
    inputs = np.zeros((len(right[0]), 4, 4, 3), np.int8)
    vectors = Golden(inputs, right[0], right[1:])
    try:
        verify.agree(Answering(*given, scale=scale), Answering(*right, scale=scale), contract)
    except FatalError as error:
        with pytest.raises(FatalError, match=str(error).split(" by ")[0].split(" the CPU")[0]):
            verify.replay(Answering(*given, scale=scale), vectors, contract)
        raise
    verify.replay(Answering(*given, scale=scale), vectors, contract)


def boxes_and_scores(best: float, rows: int = 60) -> Tensor:
    """(4, rows, 4 + 3): boxes in pixels that lie apart, scores up to `best`."""
    random = np.random.default_rng(3)
    places = np.arange(rows, dtype=np.float32)[None, :, None] * (600 / rows) + 20
    boxes = np.concatenate([np.repeat(places, 2, 2), np.full((1, rows, 2), 9.0)], axis=2)
    scores = random.uniform(0, best, (4, rows, 3))
    return np.concatenate([np.repeat(boxes, 4, 0), scores], axis=2).astype(np.float32)


class TestEachOutputsOwnValues:
    @pytest.mark.parametrize("best", [0.02, 0.2, 0.9])
    @pytest.mark.parametrize("columns", [False, True])
    def test_scores_beside_pixels_may_not_all_be_0(self, best: float, columns: bool) -> None:
        right = boxes_and_scores(best)
        near, without, off = right.copy(), right.copy(), right.copy()
        near[..., 4:] *= 1.02
        near[..., :4] += 0.2
        without[..., 4:] = 0
        off[..., :4] += 40

        def laid(values: Tensor) -> tuple[Tensor]:
            return (values.swapaxes(1, 2) if columns else values,)

        compare(laid(right), laid(near), head())
        for wrong in (without, off):
            with pytest.raises(FatalError, match="differ from the CPU's by"):
                compare(laid(right), laid(wrong), head())

    def test_scores_of_a_second_output(self) -> None:
        right = boxes_and_scores(0.02)
        boxes, scores = right[..., :4], right[..., 4:]
        compare((boxes, scores), (boxes, scores * np.float32(1.02)), head())
        with pytest.raises(FatalError, match="differ"):
            compare((boxes, scores), (boxes, scores * 0), head())

    def test_end_to_end_scores_and_labels(self) -> None:
        rows = boxes_and_scores(0.2)[..., :6].copy()
        rows[..., 5] = np.arange(60) % 3
        compare((rows,), (rows,), head("end_to_end"))
        for column in (4, 5):
            wrong = rows.copy()
            wrong[..., column] = 0
            with pytest.raises(FatalError, match="differ"):
                compare((rows,), (wrong,), head("end_to_end"))

    def test_a_few_quantisation_steps_are_all_there_is(self) -> None:
        right = np.random.default_rng(1).integers(-128, -118, (4, 9), np.int8)
        compare((right,), (right + np.int8(1),), head(None, 9), 1 / 256)
        with pytest.raises(FatalError, match="by 9 quantisation steps"):
            compare((right,), (np.full_like(right, -128),), head(None, 9), 1 / 256)

    def test_what_never_changes_is_the_same(self) -> None:
        right = np.full((4, 3), 0.5, np.float32)
        compare((right,), (right + np.float32(0.0005),), head(None))
        with pytest.raises(FatalError, match="differ"):
            compare((right,), (right * np.float32(0.98),), head(None))

    def test_numbers_that_are_none(self) -> None:
        right = boxes_and_scores(0.5)
        wrong = right.copy()
        wrong[3, 5, 5] = np.nan
        with pytest.raises(FatalError, match="by nan quantisation steps"):
            compare((right,), (wrong,), head())

    def test_decoded_boxes(self) -> None:
        """Small objects: 8 pixels are few of 640, and another place."""
        right = boxes_and_scores(0.9)
        wrong = right.copy()
        wrong[..., :2] += 8
        with pytest.raises(FatalError, match=r"it lacks a box of 'label_\d' with the score"):
            compare((right,), (wrong,), head())

    def test_decoded_labels(self) -> None:
        """Logits of a wide range: a step of 4 is another answer."""
        right = np.array([[-90, -80, -70], [90, 0, 0]] * 2, np.int8)
        wrong = right - np.array([-6, 0, 6], np.int8)
        contract = head(None).model_copy(update={"output": OutputContract(kind="logits")})
        compare((right,), (right,), contract, 0.5)
        near = np.array([[-60, -62, -90], [90, 0, 0]] * 2, np.int8)
        with pytest.raises(FatalError, match=r"'label_1' with .* instead of 'label_0' with 0.73"):
            compare((near,), (near + np.array([-6, 0, 0], np.int8),), contract, 0.5)
        compare((right,), (wrong,), contract, 0.01)
