"""Wrong labels, wrong pixels and folders that people have: what is said, and said first."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from converter import Conversion, Options, convert, data, evaluate, inspection
from converter.evaluation import lines
from converter.probe import findings, one_answer, probe
from converter.report import summary, warnings
from edge.errors import FatalError
from edge.model import load
from tests.networks import stripes as picture

QUICK = Options(effort="fast", max_drop=100, progress=False)


def test_labels_in_another_order_are_found_and_nothing_is_written(
    material: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "pictures"
    shutil.copytree(material / "pictures" / "lying", pictures / "z_lying")
    shutil.copytree(material / "pictures" / "standing", pictures / "a_standing")
    with pytest.raises(FatalError, match=r"fewer than by chance.*--labels 'z_lying,a_standing'"):
        convert(material / "stripes.keras", pictures, tmp_path / "m.tflite", QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_evaluate_finds_the_order_too(stripes_file: Path, material: Path, tmp_path: Path) -> None:
    for name, other in (("lying", "standing"), ("standing", "lying")):
        shutil.copytree(material / "pictures" / other, tmp_path / name)
    facts = evaluate(stripes_file, tmp_path, progress=False)
    assert lines(facts, False)[0].startswith(
        "WARNING    THE LABELS LOOK WRONG: with --labels 'standing,lying' it is right on"
    )


def test_the_likeliest_cause_comes_first(stripes: Conversion) -> None:
    row = {"labels": ["standing", "lying"], "float_accuracy": 0.9, "stated": 0.6}
    pixels = [{"name": "--normalize none", "float_accuracy": 0.95}]
    facts = stripes.report | {"better_labels": row, "better_normalizations": pixels}
    assert warnings(facts)[0].startswith("THE LABELS LOOK WRONG: the float model is right on 60.0%")
    assert warnings(facts)[1].startswith("THE PIXELS LOOK WRONG: with --normalize none")
    assert warnings(facts)[2] == "no --normalize was given: 0..1 is assumed"
    told = summary(facts | {"warnings": warnings(facts)})
    assert "THE LABELS LOOK WRONG" in told[0] and "THE PIXELS LOOK WRONG" in told[1]
    assert sum("THE PIXELS LOOK WRONG" in line for line in told) == 1


def test_one_answer_to_everything_is_said(
    stripes_file: Path, material: Path, tmp_path: Path
) -> None:
    model = load(stripes_file)
    wrong = model.contract.input.model_copy(update={"mean": (25500.0,)})
    contract = model.contract.model_copy(update={"input": wrong})
    listing = data.every(material / "pictures")
    photos = data.read(listing, contract.input, tmp_path, progress=False)
    one = probe(model.flatbuffer, contract, photos, progress=False)
    assert "to all of 80 pictures" in one_answer(one)[0]
    assert findings(one) == {"better_labels": None, "better_normalizations": []}


def test_an_int8_model_that_answers_differently_is_said(stripes: Conversion) -> None:
    facts = stripes.report | {"agreement": 0.59}
    assert any(text.startswith("INT8 ANSWERS DIFFERENTLY: only 59%") for text in warnings(facts))


def test_a_file_larger_than_float_is_explained(stripes: Conversion) -> None:
    assert any("larger than the float network, because" in t for t in stripes.report["warnings"])


def test_thresholds_are_shown_with_what_they_do(
    stripes: Conversion, stripes_file: Path, material: Path
) -> None:
    assert any(line.startswith("threshold  standing from 0.60") for line in summary(stripes.report))
    assert "thresholds: standing from 0.6" in inspection.lines(inspection.inspect(stripes_file))
    facts = evaluate(stripes_file, material / "pictures", progress=False)
    assert facts["thresholds"][0]["label"] == "standing"
    assert facts["thresholds"][0]["recall"] > 0.9
    assert any("standing from 0.60: precision" in line for line in lines(facts, False))


def test_labels_and_pixels_that_are_both_wrong_are_found(
    stripes_file: Path, material: Path, tmp_path: Path
) -> None:
    model = load(stripes_file)
    contract = model.contract
    listing = data.find(material / "pictures", contract.labels)
    turned = contract.model_copy(
        update={
            "labels": contract.labels[::-1],
            "input": contract.input.model_copy(update={"mean": (25500.0,)}),
        }
    )
    photos = data.read(listing, turned.input, tmp_path, progress=False)
    assert photos.truth is not None
    swapped = replace(photos, truth=np.asarray(1 - photos.truth, np.int64))
    found = findings(probe(model.flatbuffer, turned, swapped, progress=False))
    assert found["better_labels"] is None
    assert found["better_normalizations"][0]["name"].endswith("--labels 'lying,standing'")


def test_the_way_of_resizing_is_tried(stripes_file: Path, tmp_path: Path) -> None:
    """What counts is in the middle of wide pictures; the sides show either label by chance."""
    random = np.random.default_rng(0)
    for number in range(60):
        parts = [random.random() < 0.5, bool(number % 2), random.random() < 0.5]
        row = [picture(random, part) for part in parts]
        folder = tmp_path / ("standing" if number % 2 else "lying")
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"{number}.png"), np.hstack(row))
    model = load(stripes_file)
    (tmp_path / "scratch").mkdir()
    listing = data.find(tmp_path, model.contract.labels)
    photos = data.read(listing, model.contract.input, tmp_path / "scratch", progress=False)
    assert photos.shaped
    found = findings(probe(model.flatbuffer, model.contract, photos, progress=False))
    assert found["better_normalizations"][0]["name"] == "--resize crop"
    assert found["better_normalizations"][0]["float_accuracy"] > 0.9


def test_a_folder_as_people_have_it(material: Path, tmp_path: Path) -> None:
    """A split with hidden copies, a HEIC, a turned photo and a list of its own beside."""
    folder, made = tmp_path / "d", material / "pictures"
    for at, part in enumerate(("train", "val")):
        for label in ("lying", "standing"):
            (folder / part / label).mkdir(parents=True)
            for number in range(20 * at, 20 * at + 20):
                shutil.copy(made / label / f"{number}.png", folder / part / label)
    shutil.copytree(folder / "val" / "lying", folder / "val" / "lying" / ".ipynb_checkpoints")
    (folder / "val" / "lying" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(made / "lying" / "1.png").save(
        folder / "val" / "lying" / "turned.jfif", "JPEG", exif=exif, quality=95
    )
    result = convert(
        material / "stripes.keras", folder, tmp_path / "m.tflite", replace(QUICK, count=40)
    )
    facts = result.report
    assert load(result.out).contract.labels == ("lying", "standing")
    assert facts["data"]["measured_on"] == 41
    assert facts["data"]["calibration"] < facts["data"]["choosing"] == 40
    assert facts["data"]["left_out"][0].startswith("20 hidden or system files (val/lying/.ipynb")
    assert "IMG_1.HEIC (.heic is not read: convert it to JPEG)" in facts["data"]["skipped"][0]
    assert any(text.startswith("1 of 41 pictures carry a rotation") for text in facts["warnings"])
    assert any("val measures, train calibrates" in text for text in facts["warnings"])
    assert json.loads(result.report_json.read_text())["data"] == facts["data"]
