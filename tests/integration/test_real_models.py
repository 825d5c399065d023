"""Real models of every kind of tensor, and what their own projects state of them (cases.json)."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge import model
from edge.decode import Classify
from edge.preprocess import Preprocess
from edge.runtime.runtime import Runtime, open_runtime
from edge.types import Box, Image
from tests.benchmarks import bare_interpreter
from tests.conftest import TESTDATA

GOOD = sorted(
    path.relative_to(TESTDATA / "models")
    for path in (TESTDATA / "models").glob("[!b]*/**/*.tflite")
)
CASES = json.loads(
    (TESTDATA / "expected/cases.json").read_text()
    if TESTDATA.is_dir()
    else '{"classification": []}'
)
MNIST = """
name = "mnist"
labels = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
input = { width = 28, height = 28, color = "grey" }
"""
SSD = f"""
name = "ssd"
labels = {json.dumps([str(number) for number in range(91)])}
input = {{ width = 300, height = 300, mean = [128], std = [128] }}
"""


def opened(path: Path, folder: Path, contract: str = "") -> tuple[model.Model, Runtime]:
    """The model of the material, with a model.toml beside it where one is given."""
    here = Path(shutil.copy(path, folder))
    if contract:
        (folder / "model.toml").write_text(contract)
    loaded = model.load(here)
    return loaded, open_runtime(loaded)


def read(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image, np.uint8)


def test_there_are_models_of_every_kind(testdata: Path) -> None:
    assert len(GOOD) >= 15


@pytest.mark.parametrize("name", GOOD, ids=str)
def test_every_real_model_answers_as_the_bare_interpreter(tmp_path: Path, name: Path) -> None:
    images = bare_interpreter.pictures(TESTDATA, every=12)
    equal = bare_interpreter.compare(TESTDATA / "models" / name, images, tmp_path)
    assert equal.whole and equal.pictures == 7


@pytest.mark.parametrize(
    "case", CASES["classification"], ids=lambda case: f"{Path(case['model']).stem}"
)
def test_classifiers_answer_as_their_projects_state(
    testdata: Path, tmp_path: Path, case: dict[str, Any]
) -> None:
    mnist = MNIST if "mnist" in case["model"] else ""
    loaded, runtime = opened(testdata / case["model"], tmp_path, mnist)
    preprocess = Preprocess(loaded.contract.input, runtime.input)
    tensor, fit = preprocess(read(testdata / case["image"]))
    scores = runtime.output.dequantize(runtime.infer(tensor)[0]).ravel()
    expected = case["expected_label_in_top_k"]
    assert expected in np.argsort(-scores)[: case["k"]]
    if "score_near" in case:
        assert scores[expected] == pytest.approx(case["score_near"], abs=case["tolerance"])
    else:
        assert scores[expected] >= case["score_at_least"]
    again = Classify(loaded.contract, runtime.output)(runtime.infer(tensor), fit)
    assert again[0].score == pytest.approx(float(scores.max())), "recurrent state was kept"


@pytest.mark.parametrize(
    "case", CASES.get("detection", []), ids=lambda case: Path(case["image"]).stem
)
def test_ssd_finds_what_its_project_states(
    testdata: Path, tmp_path: Path, case: dict[str, Any]
) -> None:
    loaded, runtime = opened(testdata / case["model"], tmp_path, SSD)
    image = read(testdata / case["image"])
    tensor, fit = Preprocess(loaded.contract.input, runtime.input)(image)
    boxes, classes, scores, count = runtime.infer(tensor)
    assert int(count[0]) == 10
    found = [
        (int(label), float(score), fit.to_frame(Box(float(x0), float(y0), float(x1), float(y1))))
        for (y0, x0, y1, x1), label, score in zip(boxes[0], classes[0], scores[0], strict=True)
    ]
    for wanted in case["expected"]:
        overlap, score = max(
            (iou(box, truth(wanted, image)), score)
            for label, score, box in found
            if label == wanted["index"]
        )
        assert overlap >= wanted.get("iou_at_least", 0.96)
        if "score_at_least" in wanted:
            assert score >= wanted["score_at_least"]
        else:
            assert score == pytest.approx(wanted["score"], abs=0.015)


def truth(wanted: dict[str, Any], image: Image) -> Box:
    height, width = image.shape[:2]
    if "box_ymin_xmin_ymax_xmax" in wanted:
        top, left, bottom, right = wanted["box_ymin_xmin_ymax_xmax"]
        return Box(left, top, right, bottom)
    left, top = wanted["x"] / width, wanted["y"] / height
    return Box(left, top, left + wanted["w"] / width, top + wanted["h"] / height)


def iou(one: Box, other: Box) -> float:
    width = min(one.x_max, other.x_max) - max(one.x_min, other.x_min)
    height = min(one.y_max, other.y_max) - max(one.y_min, other.y_min)
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((b.x_max - b.x_min) * (b.y_max - b.y_min) for b in (one, other))
    return shared / (areas - shared)
