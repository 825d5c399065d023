"""--unlabelled: more pictures to learn from, none of which measures."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from converter import Options, convert
from edge.errors import FatalError
from tests.networks import stripes


@pytest.fixture(scope="module")
def more(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 new pictures, 5 of those in --data under other names, and a file that is none."""
    folder, random = tmp_path_factory.mktemp("more"), np.random.default_rng(7)
    for number in range(50):
        cv2.imwrite(str(folder / f"new{number}.png"), stripes(random, number % 2 == 0))
    for number in range(5):
        known = material / "pictures" / "standing" / f"{number}.png"
        shutil.copy(known, folder / f"known{number}.png")
    (folder / "empty.jpg").write_bytes(b"")
    return folder


def test_pictures_that_measure_are_left_out_and_the_rest_is_learned_from(
    material: Path, more: Path, tmp_path: Path
) -> None:
    options = Options(effort="max", unlabelled=more, progress=False)
    out = tmp_path / "m.tflite"
    report = convert(material / "stripes.keras", material / "pictures", out, options).report
    told = report["data"]["unlabelled"]
    assert told["skipped"] == 1
    assert told["left_out"] >= 5
    assert told["used"] >= 10
    assert told["used"] + told["left_out"] == 55
    assert report["data"]["measured_on"] == 64
    assert any("fine-tuning" in row["name"] for row in report["tried"])


def test_they_want_the_effort_that_learns(material: Path, more: Path, tmp_path: Path) -> None:
    options = Options(unlabelled=more, progress=False)
    with pytest.raises(FatalError, match="only --effort max learns from pictures"):
        convert(material / "stripes.keras", material / "pictures", tmp_path / "m.tflite", options)


def test_the_same_pictures_again_are_refused(material: Path, tmp_path: Path) -> None:
    """Before any time is spent on quantisation, and with nothing left behind."""
    options = Options(effort="max", unlabelled=material / "pictures", progress=False)
    with pytest.raises(FatalError, match=r"--unlabelled .*pictures: all but 0 pictures"):
        convert(material / "stripes.keras", material / "pictures", tmp_path / "m.tflite", options)
    assert list(tmp_path.iterdir()) == []
