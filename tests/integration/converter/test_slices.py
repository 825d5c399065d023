"""`converter evaluate --slices`, on the shipped person model and real pictures."""

import json
import shutil
from pathlib import Path

import cv2
import pytest

from tests.conftest import REPOSITORY
from tests.integration.converter.conftest import Run

MODEL = REPOSITORY / "models/person/model.tflite"


@pytest.fixture
def photos(testdata: Path, tmp_path: Path) -> Path:
    """Open pictures; those of one camera are nearly black, and a table says which."""
    folder = Path(shutil.copytree(testdata / "images/vww01-open", tmp_path / "photos"))
    rows = ["path,camera,half"]
    for at, path in enumerate(sorted(folder.rglob("*.png"))):
        if at % 3 == 0:
            image = cv2.imread(str(path))
            assert image is not None
            cv2.imwrite(str(path), image // 24)
        camera = "north" if at % 3 == 0 else "south"
        rows.append(f"{path.relative_to(folder)},{camera},{at % 2}")
    (tmp_path / "cameras.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_the_camera_that_sees_too_little_is_flagged_and_the_halves_are_not(
    converter: Run, photos: Path, tmp_path: Path
) -> None:
    asked = ("evaluate", MODEL, "--data", photos, "--slices", tmp_path / "cameras.csv", "--quiet")
    told = converter(*asked)
    assert told.returncode == 0, told.stderr
    north = next(line for line in told.stdout.splitlines() if line.startswith("camera north"))
    assert "WORSE than the rest" in north and told.stdout.count("WORSE") == 1
    facts = json.loads(converter(*asked, "--json").stdout)["slices"]
    assert facts["test"].startswith("Fisher's exact, one-sided, Holm-corrected over 4 slices")
    flags = {(one["attribute"], one["value"]): one["worse"] for one in facts["slices"]}
    assert flags == {
        ("camera", "north"): True,
        ("camera", "south"): False,
        ("half", "0"): False,
        ("half", "1"): False,
    }
    assert {one["value"]: one["pictures"] for one in facts["slices"][:2]} == {
        "north": 44,
        "south": 87,
    }


def test_pictures_without_labels_have_no_accuracy_to_slice(
    converter: Run, testdata: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in sorted((testdata / "images/vww01-open").rglob("*.png"))[:20]:
        shutil.copy(path, flat)
    (tmp_path / "sites.csv").write_text("path,site\n")
    asked = ("evaluate", MODEL, "--data", flat, "--slices", tmp_path / "sites.csv", "--quiet")
    told = converter(*asked)
    assert told.returncode == 78 and "are not labelled" in told.stderr
    assert len(told.stderr.splitlines()) <= 2 and "Traceback" not in told.stderr
