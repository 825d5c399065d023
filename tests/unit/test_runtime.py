"""The runtime: real models run, golden vectors are replayed, what disagrees is refused."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import model
from edge.decode import Classify
from edge.errors import FatalError
from edge.model import Golden
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
