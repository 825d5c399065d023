"""Detectors made elsewhere, wrapped: `edge run` gives the boxes that a model.toml gives."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from edge.model import load
from tests.conftest import SSD, TESTDATA, Edge, need
from tests.integration.converter.conftest import Run

YOLO_CONTRACT = """
name = "yolo"
task = "detect"
labels = ["crop", "weed", "soil"]
input = { width = 64, height = 64, resize = "letterbox" }
output = { layout = "yolov8" }
"""


def observed(edge: Edge, model: Path, pictures: Path) -> list[object]:
    """The boxes of every picture, as the feed would carry them."""
    ran = edge("run", "--source", f"dir:{pictures}", "--model", model, "--json", "--observations")
    assert ran.returncode == 0, ran.stderr
    bodies = [json.loads(line) for line in ran.stdout.splitlines()]
    return [b["detections"] for b in bodies if b["schema"] == "hedgerow.observation/1"]


def test_a_real_ssd_gives_the_same_boxes(
    converter: Run, edge: Edge, ssd: Path, testdata: Path, tmp_path: Path
) -> None:
    out = tmp_path / "coco.tflite"
    labels = testdata / "models/tflite-support/ssd_labelmap.txt"
    arguments = ("--task", "detect", "--labels", labels, "--thresholds", "person=0.5")
    ran = converter("pack", testdata / SSD.relative_to(TESTDATA), *arguments, "--out", out)
    assert ran.returncode == 0, ran.stderr
    assert "layout ssd_postprocess" in ran.stdout
    pictures = testdata / "images" / "coral"
    found = observed(edge, out, pictures)
    assert found == observed(edge, ssd, pictures)
    assert any("cat" in str(detections) for detections in found)
    with zipfile.ZipFile(out) as archive:
        assert "labelmap.txt" in archive.namelist(), "what its own metadata speaks of"


def test_a_yolo_head_gives_the_same_boxes(
    converter: Run, edge: Edge, material: Path, tmp_path: Path
) -> None:
    out = tmp_path / "packed" / "yolo.tflite"
    out.parent.mkdir()
    labels = ("--task", "detect", "--labels", "crop,weed,soil")
    more = ("--resize", "letterbox", "--data", material / "pictures" / "lying")
    ran = converter("pack", material / "yolo.tflite", *labels, *more, "--out", out)
    assert ran.returncode == 0, ran.stderr
    assert "layout yolov8, coordinates normalized" in ran.stdout
    golden = load(out).golden
    assert golden is not None
    assert golden.outputs.shape == (4, 7, 84)
    beside = Path(shutil.copy(material / "yolo.tflite", tmp_path))
    (tmp_path / "model.toml").write_text(YOLO_CONTRACT)
    pictures = material / "pictures" / "standing"
    found = observed(edge, out, pictures)
    assert found == observed(edge, beside, pictures)
    assert all(found)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--labels", "crop,weed"), "with 2 labels fit no layout"),
        (("--labels", "a,b,c", "--head", "layout=yolov5"), "8 values per place"),
        (("--labels", "a,b,c", "--head", "layout=ssd"), "usual anchors give"),
        (("--labels", "a,b,c", "--head", "layout=ssd_postprocess"), "reads 4 tensors"),
    ],
)
def test_a_head_that_does_not_fit_is_one_line(
    converter: Run, material: Path, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    out = tmp_path / "m.tflite"
    ran = converter("pack", material / "yolo.tflite", "--task", "detect", *arguments, "--out", out)
    errors = [text for text in ran.stderr.splitlines() if not text.startswith("INFO: ")]
    assert ran.returncode == 78
    assert len(errors) == 1 and line in errors[0], errors
    assert list(tmp_path.iterdir()) == []


def test_head_belongs_to_detectors(converter: Run, testdata: Path, tmp_path: Path) -> None:
    source = testdata / "models/coral/mobilenet_v1_0.25_128_quant.tflite"
    need(source.exists(), str(source))
    arguments = ("--labels", "a,b", "--head", "layout=yolov8", "--out", tmp_path / "m.tflite")
    ran = converter("pack", source, *arguments)
    assert ran.returncode == 78
    assert "--head: describes a detector's outputs: add --task detect" in ran.stderr


def test_a_normalization_that_saturates_every_pixel_is_refused(
    converter: Run, testdata: Path, tmp_path: Path
) -> None:
    """With it, everything would be a kite."""
    labels = testdata / "models/tflite-support/ssd_labelmap.txt"
    source = testdata / SSD.relative_to(TESTDATA)
    arguments = ("--task", "detect", "--labels", labels, "--normalize", "none")
    ran = converter("pack", source, *arguments, "--out", tmp_path / "coco.tflite")
    assert ran.returncode == 78
    assert "-1..1 fits it" in ran.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "coco.tflite").exists()


def test_a_damaged_file_is_not_inspected_with_success(converter: Run, tmp_path: Path) -> None:
    whole = (Path(__file__).parents[3] / "models/person/model.tflite").read_bytes()
    for content, says in (
        (whole[:-40], "cut off at its end"),
        (whole[:9000] + b"\xff" * 4 + whole[9004:], "damaged"),
        (whole + b"more", "4 bytes follow its end"),
    ):
        (tmp_path / "person.tflite").write_bytes(content)
        ran = converter("inspect", tmp_path / "person.tflite")
        assert ran.returncode == 78, ran.stdout
        assert says in ran.stderr and len(ran.stderr.strip().splitlines()) == 1
