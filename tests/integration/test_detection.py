"""The real SSD through edge: its authors' expectations, COCO's AP, its raw heads."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge import model
from edge.decode import Decode, open_decode
from edge.decode.anchors import make
from edge.head import SsdAnchors
from edge.model import Contract
from edge.preprocess import Preprocess
from edge.runtime.litert import LiteRt
from edge.runtime.runtime import open_runtime
from edge.types import Box, Detection, Image
from tests.benchmarks import detection_map

PADDED = ("cats_and_dogs.jpg", "cat.bmp")


def picture(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image, np.uint8)


def detect(path: Path, image: Image) -> tuple[Detection, ...]:
    loaded = model.load(path)
    runtime = open_runtime(loaded)
    tensor, fit = Preprocess(loaded.contract.input, runtime.input)(image)
    decode: Decode = open_decode(loaded.contract, runtime.outputs)
    return decode(runtime.infer(tensor), fit)


def iou(one: Box, other: Box) -> float:
    width = min(one.x_max, other.x_max) - max(one.x_min, other.x_min)
    height = min(one.y_max, other.y_max) - max(one.y_min, other.y_min)
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((b.x_max - b.x_min) * (b.y_max - b.y_min) for b in (one, other))
    return shared / (areas - shared)


def expected_box(case: dict[str, Any], wanted: dict[str, Any]) -> Box:
    if "box_ymin_xmin_ymax_xmax" in wanted:
        top, left, bottom, right = wanted["box_ymin_xmin_ymax_xmax"]
        return Box(left, top, right, bottom)
    width, height = case["image_size"]
    right, bottom = wanted["x"] + wanted["w"], wanted["y"] + wanted["h"]
    return Box(wanted["x"] / width, wanted["y"] / height, right / width, bottom / height)


@pytest.mark.parametrize("name", PADDED)
def test_what_its_authors_expect(ssd: Path, testdata: Path, name: str) -> None:
    cases = json.loads((testdata / "expected/cases.json").read_text())["detection"]
    case = next(case for case in cases if case["image"].endswith(name))
    found = list(detect(ssd, picture(testdata / case["image"])))
    for wanted in case["expected"]:
        truth = expected_box(case, wanted)
        match = max(found, key=lambda d: iou(d.box, truth) if d.box else 0)
        assert match.box is not None and match.label == wanted["label"]
        least = wanted.get("measured_iou", wanted.get("iou_at_least"))
        assert iou(match.box, truth) >= least - 0.01
        if "score_at_least" in wanted:
            assert match.score >= wanted["score_at_least"]
        else:
            assert match.score == pytest.approx(wanted["measured_score"], abs=0.01)
        found.remove(match)


def test_ap_is_that_of_the_raw_interpreter(ssd: Path, testdata: Path) -> None:
    folder = testdata / "images/coco-open"
    ours = detection_map.precision(folder, detection_map.through_edge(ssd, folder))
    raw = detection_map.precision(folder, detection_map.raw_interpreter(ssd, folder))
    assert ours == pytest.approx(raw, abs=0.1)
    assert raw[0] == pytest.approx(33.9, abs=0.5), "person AP50 as measured elsewhere"


BOXES, SCORES, ANCHORS = 165, 174, 171
"""The op's input tensors in the SSD's flatbuffer."""


def test_its_raw_heads_give_what_the_op_gives(ssd: Path, testdata: Path) -> None:
    """Box encodings, scores and generated anchors through our NMS: the op's own answer."""
    loaded = model.load(ssd)
    interpreter = LiteRt("ssd", loaded.flatbuffer, threads=1, keep_all=True)
    specs = tuple(interpreter.spec(index) for index in (BOXES, SCORES))
    told = loaded.contract.model_dump(by_alias=True)
    told["output"] = {
        "layout": "ssd",
        "anchors": {"kind": "ssd", "strides": (16, 32, 64, 128, 256, 512)},
        "nms": {"iou": 0.6, "per_class": False, "min_score": 0.3, "max_detections": 10},
    }
    head = open_decode(Contract.model_validate(told), specs)
    op = open_decode(loaded.contract, interpreter.outputs)
    step = interpreter.spec(ANCHORS).scale
    for name in ("tflite-support/cats_and_dogs.jpg", "coral/cat.bmp"):
        image = picture(testdata / "images" / name)
        tensor, fit = Preprocess(loaded.contract.input, interpreter.input)(image)
        expected = [d for d in op(interpreter.infer(tensor), fit) if d.score >= 0.3]
        found = head((interpreter.tensor(BOXES), interpreter.tensor(SCORES)), fit)
        assert [(d.label, d.score) for d in found] == [(d.label, d.score) for d in expected]
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.box is not None and theirs.box is not None
            differ = np.array(astuple(ours.box)) - np.array(astuple(theirs.box))
            assert np.abs(differ).max() <= step, "its anchors are stored in steps, ours are exact"


def test_its_anchors_are_the_generated_ones(ssd: Path) -> None:
    """The constants in the file, to the half quantisation step that they were stored with."""
    interpreter = LiteRt("ssd", model.load(ssd).flatbuffer, threads=1, keep_all=True)
    spec = interpreter.spec(ANCHORS)
    stored = spec.dequantize(interpreter.tensor(ANCHORS))
    made = make(SsdAnchors(), 300, 300)
    assert made.shape == stored.shape == (1917, 4)
    assert np.abs(made - stored).max() <= spec.scale
