"""Files of every kind that Keras ever wrote become a network, and odd ones a clear line."""

import re
from pathlib import Path

import numpy as np
import pytest

from converter import Options, convert
from converter.flatbuffer import unpack
from edge.model import load
from edge.runtime.runtime import open_runtime
from tests.conftest import need

TESTDATA = Path(__file__).parents[4] / "shared" / "testdata"
PICTURES = TESTDATA / "images" / "coco-open" / "images"

FILES = {
    "mlperf-tiny/ic_resnet8/pretrainedResnet.h5": (10, "rgb", "none"),
    "mlperf-tiny/vww_mobilenet_96/vww_96.h5": (2, "rgb", "0..1"),
    "keras/google_mobilenet_v1_0.25_224_imagenet.h5": (1000, "rgb", "-1..1"),
    "keras/gender_mini_XCEPTION.21-0.95.hdf5": (2, "grey", "-1..1"),
    "keras/fer2013_mini_XCEPTION.102-0.66.hdf5": (7, "grey", "-1..1"),
    "keras/derived__mlperf_resnet8_resaved_keras3.keras": (10, "rgb", "none"),
    "mltk/image_example1/image_example1.h5": (3, "grey", "127.5,64"),
    "mltk/tflite_micro_magic_wand/tflite_micro_magic_wand.h5": (4, "grey", "127.5,64"),
    "savedmodel/mlperf_kws_ref_model": (12, "grey", "127.5,64"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_real_file_becomes_int8(name: str, tmp_path: Path) -> None:
    source = TESTDATA / "models" / name
    need(source.exists(), str(source))
    count, color, normalize = FILES[name]
    options = Options(
        labels=tuple(f"label {number}" for number in range(count)),
        color="grey" if color == "grey" else "rgb",
        normalize=normalize,
        effort="normal" if "google" in name else "fast",
        progress=False,
    )
    result = convert(source, PICTURES, tmp_path / "m.tflite", options)
    runtime = open_runtime(load(result.out))
    assert runtime.input.dtype == runtime.output.dtype == np.int8
    assert result.report["float_operators"] == []
    assert result.report["score_error"] < 0.5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sigmoid.keras", Options()),
        ("rescaling.keras", Options()),
        ("unit.keras", Options()),
        ("half.keras", Options()),
        ("saved", Options()),
        ("open.keras", Options(input_size=(24, 40))),
        ("two_outputs.keras", Options(output="scores")),
        ("lambda.keras", Options(trusted=True)),
        ("custom.keras", Options(custom_objects=("tests.doubling:Doubling",))),
    ],
)
def test_odd_networks_convert(name: str, options: Options, material: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    asked = replace(options, effort="fast", max_drop=100, progress=False)
    result = convert(material / name, material / "pictures", tmp_path / "m.tflite", asked)
    contract = load(result.out).contract
    assert contract.labels == ("lying", "standing")
    assert result.report["agreement"] > 0.8
    # Two scores of an untrained network can lie so close that their order says little.
    assert result.report["score_error"] < 0.15
    if options.input_size:
        assert (contract.input.height, contract.input.width) == options.input_size


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("rescaling.keras", 1.0),
        ("tutorial.keras", 1.0),  # preprocess_input as Keras' own tutorial has it, x / 127.5 - 1
        ("saved_tutorial", 1.0),
        ("caffe.keras", 1.0),  # B, G, R less their means
        ("twice.keras", 255.0),  # 2 x - 1 says nothing of x
        ("sigmoid.keras", 255.0),
    ],
)
def test_a_network_that_normalises_by_itself_is_fed_pixels(
    name: str, std: float, material: Path, tmp_path: Path
) -> None:
    options = Options(effort="fast", max_drop=100, progress=False)
    result = convert(material / name, material / "pictures", tmp_path / "m.tflite", options)
    assert load(result.out).contract.input.std == (std,)
    said = any("normalises by itself" in note for note in result.report["notes"])
    assert said == (std == 1.0)


def test_one_sigmoid_becomes_two_scores(material: Path, tmp_path: Path) -> None:
    options = Options(effort="fast", max_drop=100, progress=False)
    out = tmp_path / "m.tflite"
    convert(material / "sigmoid.keras", material / "pictures", out, options)
    model = load(out)
    runtime = open_runtime(model)
    assert model.contract.output.kind == "probabilities"
    assert model.golden is not None
    scores = runtime.output.dequantize(model.golden.outputs)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=2 / 256)


def test_the_packed_file_is_a_flatbuffer_with_metadata(stripes_file: Path) -> None:
    model = unpack(load(stripes_file).flatbuffer)
    assert [entry.name for entry in model.metadata][-1] == b"TFLITE_METADATA"
    described = bytes(model.buffers[model.metadata[-1].buffer].data)
    assert described[4:8] == b"M001"
    assert re.search(rb"labels\.txt", described)
