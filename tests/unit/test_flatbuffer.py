"""The pre-flight: sound files pass, what would crash an interpreter is refused by name."""

import copy
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from converter.flatbuffer import pack, unpack
from edge import model
from edge.errors import FatalError
from edge.flatbuffer import ends, metadata, preflight
from edge.flatbuffer.reader import Damaged, root
from edge.runtime.trial import try_out
from tests.conftest import TESTDATA, VWW

MODELS = sorted((TESTDATA / "models").glob("[!b]*/**/*.tflite"))


@pytest.fixture(scope="module")
def vww_bytes(testdata: Path) -> bytes:
    return (testdata / VWW.relative_to(TESTDATA)).read_bytes()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_real_model_passes(path: Path) -> None:
    preflight.check(path.read_bytes())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "invalid_quant_dimension__tflm_person_detect",
            "quantized_dimension 3 is not one of",
        ),
        ("unresolved_custom_op__fake-op-double", "custom operator fake-op-double"),
        ("unresolved_custom_op__posenet_decoder", "custom operator PosenetDecoderOp"),
        ("edgetpu_compiled__mobilenet_v1_0.25_128_quant_edgetpu", "operator edgetpu-custom-op"),
        ("not_a_model__mlperf_md5_text", "does not carry the identifier TFL3"),
    ],
)
def test_real_models_that_no_interpreter_runs(testdata: Path, name: str, reason: str) -> None:
    with pytest.raises(FatalError, match=reason):
        preflight.check((testdata / f"models/bad/{name}.tflite").read_bytes())


def test_the_edge_tpus_operator_passes_where_it_is_asked_for(testdata: Path) -> None:
    name = "edgetpu_compiled__mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    data = (testdata / "models/bad" / name).read_bytes()
    assert preflight.check(data, ("edgetpu-custom-op",)) == ("edgetpu-custom-op",)


def tensor(model: Any, index: int) -> Any:
    return model.subgraphs[0].tensors[index]


def first(model: Any, code: int) -> Any:
    """The first operator of a kind."""
    codes = [entry.builtinCode for entry in model.operatorCodes]
    return next(o for o in model.subgraphs[0].operators if codes[o.opcodeIndex] == code)


CONV, POOL, DENSE = 3, 1, 9
Change = Callable[[Any], Any]
CHANGES: dict[str, tuple[Change, str]] = {
    "input index": (lambda m: setattr(first(m, CONV), "inputs", [0, 9999, 1]), "not among its"),
    "negative index": (lambda m: setattr(first(m, CONV), "outputs", [-1]), "not among its"),
    "graph output": (lambda m: setattr(m.subgraphs[0], "outputs", [5000]), "not among its"),
    "no output": (lambda m: setattr(m.subgraphs[0], "outputs", []), "no input or no output"),
    "opcode index": (lambda m: setattr(first(m, CONV), "opcodeIndex", 77), "code 77 of"),
    "operator": (lambda m: setattr(m.operatorCodes[0], "builtinCode", 118), "operator 118"),
    "buffer": (lambda m: setattr(tensor(m, 0), "buffer", 4000), "lies in buffer 4000"),
    "weights' shape": (
        lambda m: setattr(tensor(m, first(m, CONV).inputs[1]), "shape", [64, 64, 64, 64]),
        "needs 16777216 bytes, its buffer has",
    ),
    "a huge shape": (lambda m: setattr(tensor(m, 0), "shape", [1, 1 << 20, 1 << 20, 3]), "takes"),
    "a negative shape": (lambda m: setattr(tensor(m, 0), "shape", [1, -5, 96, 3]), "has the shape"),
    "string tensor": (lambda m: setattr(tensor(m, 0), "type", 5), "has the type 5"),
    "stride 0": (
        lambda m: setattr(first(m, CONV).builtinOptions, "strideW", 0),
        "CONV_2D has a stride, dilation or filter size below 1",
    ),
    "no options": (lambda m: setattr(first(m, POOL), "builtinOptionsType", 0), "without its opt"),
    "too few inputs": (lambda m: setattr(first(m, CONV), "inputs", [0]), "CONV_2D has 1 inputs"),
    "weights left out": (lambda m: setattr(first(m, DENSE), "inputs", [0, -1, -1]), "lacks an in"),
    "writes a constant": (
        lambda m: setattr(first(m, CONV), "outputs", [first(m, CONV).inputs[1]]),
        "writes a tensor that has its value",
    ),
    "reads too early": (
        lambda m: setattr(first(m, CONV), "inputs", [m.subgraphs[0].outputs[0], 1, 2]),
        "before it is computed",
    ),
    "scales": (
        lambda m: setattr(tensor(m, first(m, CONV).inputs[1]).quantization, "scale", [1.0, 2.0]),
        "scales",
    ),
    "a scale of nan": (
        lambda m: setattr(tensor(m, 0).quantization, "scale", [float("nan")]), "has a scale"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_wrong_in_the_structure_is_named(vww_bytes: bytes, name: str) -> None:
    change, reason = CHANGES[name]
    tree = unpack(vww_bytes)
    change(tree)
    with pytest.raises(FatalError) as caught:
        preflight.check(pack(tree))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def more_inputs(model: Any) -> None:
    """As a network that also takes the weather: no operator reads it."""
    extra = copy.copy(tensor(model, 0))
    extra.name, extra.shape, extra.shapeSignature = b"wea\nther", [1, 2], None
    model.subgraphs[0].tensors.append(extra)
    model.subgraphs[0].inputs = [0, len(model.subgraphs[0].tensors) - 1]


def open_size(*sides: int) -> Change:
    def change(model: Any) -> None:
        tensor(model, 0).shape = [max(side, 1) for side in sides]
        tensor(model, 0).shapeSignature = list(sides)

    return change


def one_pixel(model: Any) -> None:
    tensor(model, 0).shape, tensor(model, 0).shapeSignature = [1, 1, 1, 3], None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (more_inputs, r"takes 2 inputs \(.*'wea.*ther' \[1, 2\]\), and only a picture"),
        (open_size(-1, -1, -1, 3), r"open \(\[-1, -1, -1, 3\]\): it must be exported with a fixed"),
        (open_size(1, 96, -1, 3), "size of its input .* open"),
        (open_size(1, 96, 96, -1), "size of its input .* open"),
        (one_pixel, r"size of its input .*\[1, 1, 1, 3\] open"),
    ],
)
def test_what_takes_more_than_a_picture_is_refused(
    vww_bytes: bytes, change: Change, reason: str
) -> None:
    tree = unpack(vww_bytes)
    change(tree)
    with pytest.raises(FatalError, match=reason) as caught:
        preflight.check(pack(tree))
    assert "\n" not in str(caught.value)


def test_an_open_batch_is_one_picture(vww_bytes: bytes) -> None:
    tree = unpack(vww_bytes)
    tensor(tree, 0).shapeSignature = [-1, 96, 96, 3]
    preflight.check(pack(tree))


def test_the_operator_that_made_the_scores(testdata: Path, vww_bytes: bytes) -> None:
    assert ends.made_by(vww_bytes, 0) == "SOFTMAX"
    through = testdata / "models/mltk/image_example1/image_example1.tflite"
    assert ends.made_by(through.read_bytes(), 0) == "SOFTMAX", "behind a DEQUANTIZE"
    assert ends.made_by(vww_bytes, 1) == ""


@pytest.mark.parametrize("offset", [1 << 20, (1 << 64) - 8, (1 << 64) - 1])
def test_a_buffer_outside_the_file_is_refused(vww_bytes: bytes, offset: int) -> None:
    tree = unpack(vww_bytes)
    buffer = tree.buffers[tensor(tree, first(tree, CONV).inputs[1]).buffer]
    buffer.offset, buffer.size, buffer.data = offset, len(buffer.data), None
    with pytest.raises(FatalError, match=r"reaches from byte .* outside the file"):
        preflight.check(pack(tree))


def test_offsets_that_leave_the_file_or_turn_back(vww_bytes: bytes) -> None:
    for place in (0, 1 << 31, len(vww_bytes) - 2, (1 << 32) - 4):
        with pytest.raises(FatalError, match="is not a sound model"):
            preflight.check(struct.pack("<I", place) + vww_bytes[4:])
    with pytest.raises(Damaged, match="does not carry the identifier"):
        root(b"", b"TFL3")


def test_a_model_that_takes_the_interpreter_down_takes_only_a_child(vww_bytes: bytes) -> None:
    """LiteRT reads the buffer at 2^64 - 8: without the pre-flight the child dies in our place."""
    tree = unpack(vww_bytes)
    buffer = tree.buffers[tensor(tree, first(tree, CONV).inputs[1]).buffer]
    buffer.offset, buffer.size, buffer.data = (1 << 64) - (1 << 32), 1 << 20, None
    with pytest.raises(FatalError, match=r"^leaf: .*") as caught:
        try_out("leaf", pack(tree))
    assert "\n" not in str(caught.value)


def test_the_child_has_a_time_limit(vww_bytes: bytes) -> None:
    with pytest.raises(FatalError, match=r"leaf: .* took longer than 0 s: .* damaged or too large"):
        try_out("leaf", vww_bytes, time_s=0.01)


def test_metadata_of_a_float_model_says_how_pixels_are_normalised(testdata: Path) -> None:
    """The trap of this file: fed 0..1 instead of -1..1 it loses 12 points."""
    path = testdata / "models/tflite-support/mobilenet_v1_0.25_224_1_metadata_1.tflite"
    contract = model.load(path).contract
    assert (contract.input.mean, contract.input.std) == ((127.5,), (127.5,))
    assert (contract.input.width, contract.input.height, contract.input.color) == (224, 224, "rgb")
    assert (len(contract.labels), contract.labels[934]) == (1001, "cheeseburger")


def test_metadata_of_a_quantised_model_means_pixels_as_they_are(testdata: Path) -> None:
    path = testdata / "models/coral/mobilenet_v2_1.0_224_inat_bird_quant.tflite"
    described = metadata.describe(path.read_bytes())
    assert described is not None
    assert (described.mean, described.std) == ((128.0,), (128.0,))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mobilenet_v1_0.25_224_quant_without_subgraph_metadata", "does not describe input and"),
        ("coco_ssd_mobilenet_v1_1.0_quant_2018_06_29", "names no file with labels"),
    ],
)
def test_metadata_that_is_not_enough_asks_for_a_model_toml(
    testdata: Path, name: str, reason: str
) -> None:
    with pytest.raises(FatalError, match=rf"{name}.tflite: .*{reason}.*model\.toml"):
        model.load(testdata / f"models/tflite-support/{name}.tflite")
