"""What the receipt says, and other tools' view of a converted file."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from converter import Conversion, Options, convert, evaluate
from converter.inspection import inspect, lines
from converter.packing import pack_file
from edge.errors import FatalError
from edge.model import load
from edge.runtime.runtime import open_runtime
from tests.conftest import need
from tests.integration.converter.conftest import Run
from tests.integration.converter.test_loading import TESTDATA

QUICK = Options(effort="fast", max_drop=100, progress=False)


def test_recovery_tries_several_ways_and_keeps_one(stripes: Conversion) -> None:
    names = [row["name"] for row in stripes.report["tried"]]
    assert names[0] == "min/max"
    assert "min/max + bias correction" in names
    assert stripes.report["chosen"] in names


def test_the_receipt_names_classes_layers_and_size(stripes: Conversion) -> None:
    facts = stripes.report
    assert [row["label"] for row in facts["classes"]] == ["lying", "standing"]
    assert sum(row["pictures"] for row in facts["classes"]) == facts["data"]["measured_on"]
    assert {"precision", "recall", "f1"} <= set(facts["classes"][0]["int8"])
    assert 0 <= facts["layers"][-1]["error"] <= facts["layers"][0]["error"] < 1
    assert facts["bytes"]["file"] == stripes.out.stat().st_size
    assert facts["edge_tpu"]["mapped"] == facts["edge_tpu"]["operators"]
    page = stripes.report_html.read_text()
    assert "<svg" in page
    assert "min/max + bias correction" in page


def test_wrong_pixels_are_said_loudly(material: Path, tmp_path: Path) -> None:
    """Inverted contrast and an offset leave the trained network nothing to see."""
    options = replace(QUICK, normalize="25500,255")
    out = tmp_path / "m.tflite"
    facts = convert(material / "stripes.keras", material / "pictures", out, options).report
    assert facts["better_normalizations"][0]["float_accuracy"] > 0.9
    assert facts["warnings"][0].startswith("THE PIXELS LOOK WRONG: with --normalize")


def test_negatives_choose_the_reject_threshold(material: Path, tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(20):
        grey = np.full((32, 32, 3), random.integers(0, 256), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), grey)
    options = replace(QUICK, negatives=folder)
    out = tmp_path / "m.tflite"
    facts = convert(material / "stripes.keras", material / "pictures", out, options).report
    assert facts["reject"]["chosen"] is True
    assert facts["reject"]["negatives"] == 20
    assert load(out).contract.reject.below == facts["reject"]["below"]


def test_pictures_of_their_own_calibrate(material: Path, tmp_path: Path) -> None:
    apart = material / "pictures" / "lying"
    listing = tmp_path / "standing.txt"
    rows = [f"{path},{path.parent.name}" for path in (material / "pictures").rglob("*.png")]
    listing.write_text("\n".join(row for row in rows if "lying/1" not in row))
    few = tmp_path / "calibration.txt"
    few.write_text("\n".join(str(path) for path in apart.glob("1*.png")))
    options = replace(QUICK, calibration=few)
    facts = convert(material / "stripes.keras", listing, tmp_path / "m.tflite", options).report
    assert facts["data"]["measured_on"] == 69
    both = replace(QUICK, calibration=material / "pictures")
    with pytest.raises(FatalError, match="is also in --data"):
        convert(material / "stripes.keras", listing, tmp_path / "n.tflite", both)


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_other_ends_on_request(io: str, material: Path, tmp_path: Path) -> None:
    options = replace(QUICK, io="uint8" if io == "uint8" else "float32")
    out = tmp_path / "m.tflite"
    convert(material / "stripes.keras", material / "pictures", out, options)
    runtime = open_runtime(load(out))
    assert runtime.input.dtype == runtime.output.dtype == np.dtype(io)
    assert evaluate(out, material / "pictures", progress=False)["accuracy"] > 0.95


READER = """
import sys
import mediapipe
from mediapipe.tasks.python import vision
from mediapipe.tasks.python.core.base_options import BaseOptions

options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=sys.argv[1]))
with vision.ImageClassifier.create_from_options(options) as classifier:
    for path in sys.argv[2:]:
        found = classifier.classify(mediapipe.Image.create_from_file(path))
        print("ANSWER", found.classifications[0].categories[0].category_name)
"""


@pytest.mark.parametrize("io", ["uint8", "float32"])
def test_mediapipe_reads_labels_and_normalisation(io: str, material: Path, tmp_path: Path) -> None:
    """MediaPipe takes uint8 and float32 inputs only, not int8: hence --io."""
    need(importlib.util.find_spec("mediapipe") is not None, "mediapipe")
    options = replace(QUICK, io="uint8" if io == "uint8" else "float32")
    out = tmp_path / "m.tflite"
    convert(material / "stripes.keras", material / "pictures", out, options)
    images = sorted((material / "pictures").rglob("*.png"))[::8]
    command = [sys.executable, "-c", READER, str(out), *map(str, images)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = re_answers(ran.stdout)
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(f"{p},{a}" for p, a in zip(images, answers, strict=True)))
    assert set(answers) == {"lying", "standing"}
    assert evaluate(out, listing, progress=False)["accuracy"] == 1.0


def re_answers(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("ANSWER")]


def test_inspect_says_what_a_file_is(converter: Run, material: Path, stripes: Conversion) -> None:
    ran = converter("inspect", stripes.out, "--json")
    facts = json.loads(ran.stdout)
    assert facts["contract"]["labels"] == ["lying", "standing"]
    assert facts["in float"] == 0
    text = "\n".join(lines(inspect(material / "rescaling.keras")))
    assert "normalises by: to_unit" in text
    assert "Python code in: secret" in "\n".join(lines(inspect(material / "lambda.h5")))


def test_a_foreign_model_is_wrapped(tmp_path: Path) -> None:
    source = TESTDATA / "models" / "coral" / "mobilenet_v1_0.25_128_quant.tflite"
    need(source.exists(), str(source))
    labels = tuple(source.with_name("imagenet_labels.txt").read_text().splitlines())
    options = Options(labels=labels, normalize="-1..1", progress=False)
    packed = pack_file(source, tmp_path / "m.tflite", "classify", options)
    model = load(packed.out)
    assert model.golden is not None
    assert open_runtime(model).output.shape == (1, 1001)
    with pytest.raises(FatalError, match="1001 values, the contract names 2 labels"):
        pack_file(source, tmp_path / "n.tflite", "classify", replace(options, labels=("a", "b")))


def test_bad_files_are_not_wrapped(tmp_path: Path) -> None:
    folder = TESTDATA / "models" / "bad"
    need(folder.exists(), str(folder))
    for source in sorted(folder.iterdir()):
        with pytest.raises(FatalError, match=source.name):
            pack_file(source, tmp_path / "m.tflite", "classify", Options(labels=("a", "b")))
    assert list(tmp_path.iterdir()) == []
