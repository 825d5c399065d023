"""COCO AP of the SSD: through edge's decoder, and of the raw interpreter's output beside it.

`python -m tests.benchmarks.detection_map [TESTDATA]` prints person AP50 and mAP50 of both on
images/coco-open with pycocotools. The two ways share no code: the second one resizes, infers and
reads the op's tensors here.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge import model
from edge.decode import open_decode
from edge.preprocess import Preprocess
from edge.runtime.runtime import open_runtime
from edge.types import Image
from tests.conftest import SSD, SSD_CONTRACT, TESTDATA

Row = dict[str, Any]
"""One detection as COCO's result format has it: image_id, category_id, bbox x y w h, score."""


def images(folder: Path) -> list[tuple[int, Image]]:
    """COCO's image ids with their pixels."""
    listed = json.loads((folder / "annotations.json").read_text())["images"]
    paths = [(i["id"], str(folder / "images" / i["file_name"])) for i in listed]
    return [(number, np.asarray(cv2.imread(path), np.uint8)) for number, path in paths]


def through_edge(path: Path, folder: Path) -> list[Row]:
    """Every detection that edge decodes, in COCO's result format."""
    loaded = model.load(path)
    runtime = open_runtime(loaded)
    preprocess = Preprocess(loaded.contract.input, runtime.input)
    decode = open_decode(loaded.contract, runtime.outputs)
    category = {label: index + 1 for index, label in enumerate(loaded.contract.labels)}
    rows = []
    for number, image in images(folder):
        height, width = image.shape[:2]
        tensor, fit = preprocess(image)
        for found in decode(runtime.infer(tensor), fit):
            assert found.box is not None
            left, top = found.box.x_min * width, found.box.y_min * height
            right, bottom = found.box.x_max * width, found.box.y_max * height
            box = [left, top, right - left, bottom - top]
            rows.append(_row(number, category[found.label], box, found.score))
    return rows


def raw_interpreter(path: Path, folder: Path) -> list[Row]:
    """The same from LiteRT alone: what the op wrote, multiplied by the image's size."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    asked = interpreter.get_input_details()[0]["index"]
    told = [detail["index"] for detail in interpreter.get_output_details()]
    rows = []
    for number, image in images(folder):
        height, width = image.shape[:2]
        small = cv2.resize(image, (300, 300), interpolation=cv2.INTER_LINEAR)
        interpreter.set_tensor(asked, cv2.cvtColor(small, cv2.COLOR_BGR2RGB)[None])
        interpreter.invoke()
        boxes, classes, scores, count = (interpreter.get_tensor(index) for index in told)
        for k in range(int(count[0])):
            top, left, bottom, right = boxes[0, k] * [height, width, height, width]
            box = [left, top, right - left, bottom - top]
            rows.append(_row(number, int(classes[0, k]) + 1, box, scores[0, k]))
    return rows


def precision(folder: Path, rows: list[Row]) -> tuple[float, float]:
    """(AP50 of person, mAP50 over the categories that occur), percent."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = json.loads((folder / "annotations.json").read_text())
    truth["info"] = {}
    for annotation in truth["annotations"]:
        annotation["area"] = annotation["bbox"][2] * annotation["bbox"][3]
        annotation["iscrowd"] = 0
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(rows), "bbox")
        judge.evaluate()
        judge.accumulate()
    at_half = judge.eval["precision"][0, :, :, 0, -1]
    person = at_half[:, judge.params.catIds.index(1)].mean() * 100
    there = at_half[:, (at_half > -1).all(axis=0)]
    return float(person), float(there.mean() * 100)


def _row(image: int, category: int, box: list[Any], score: Any) -> Row:
    bbox = [float(value) for value in box]
    return {"image_id": image, "category_id": category, "bbox": bbox, "score": float(score)}


def main() -> None:
    """Print both evaluations."""
    import shutil
    import tempfile

    testdata = Path(sys.argv[1]) if len(sys.argv) > 1 else TESTDATA
    folder = testdata / "images/coco-open"
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(shutil.copy(testdata / SSD.relative_to(TESTDATA), scratch))
        names = (path.parent / "model.toml", testdata / "models/tflite-support/ssd_labelmap.txt")
        listed = ", ".join(f'"{name}"' for name in names[1].read_text().splitlines())
        names[0].write_text(SSD_CONTRACT.format(labels=listed))
        for what, rows in (
            ("edge", through_edge(path, folder)),
            ("raw interpreter", raw_interpreter(path, folder)),
        ):
            person, mean = precision(folder, rows)
            print(f"{what:16} person AP50 {person:.2f} %, mAP50 {mean:.2f} %")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
