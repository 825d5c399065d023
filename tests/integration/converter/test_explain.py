"""`converter explain`: the evidence lies where the thing is, on real pictures and int8 files."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data as photographs

from converter.explain import HEAD, SHOWN, Explanation, explain
from edge import catalog
from tests.conftest import REPOSITORY
from tests.integration.converter.conftest import Run

PERSON = REPOSITORY / "models/person/model.tflite"
PHOTOGRAPH: np.ndarray[Any, Any] = photographs.astronaut()  # type: ignore[no-untyped-call]
KERAS = REPOSITORY / "models/person/person.keras"


@pytest.fixture(scope="module")
def imagenet(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public classifier that knows the bird, with its contract."""
    name, mirror = "imagenet-mobilenet-v2", str(testdata / "models/coral")
    out = tmp_path_factory.mktemp("imagenet")
    return catalog.fetch(catalog.Wanted(name, catalog.find(name), out, mirror), lambda _: None)


def strongest(found: Explanation) -> tuple[float, float]:
    """x and y of the strongest evidence, 0..1."""
    row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    return float(column / found.heat.shape[1]), float(row / found.heat.shape[0])


def in_a_quarter(image: np.ndarray[Any, Any], left: int, top: int) -> np.ndarray[Any, Any]:
    """The picture in one quarter of a grey one."""
    canvas = np.full((512, 512, 3), 128, np.uint8)
    quarter = canvas[256 * top : 256 * top + 256, 256 * left : 256 * left + 256]
    quarter[:] = cv2.resize(image, (256, 256))
    return canvas


@pytest.mark.parametrize(("left", "top"), [(0, 0), (1, 1)])
def test_the_evidence_follows_the_bird(
    left: int, top: int, imagenet: Path, testdata: Path, tmp_path: Path
) -> None:
    bird = np.asarray(cv2.imread(str(testdata / "images/coral/bird.bmp")))
    cv2.imwrite(str(tmp_path / "bird.png"), in_a_quarter(bird, left, top))
    found = explain(imagenet, tmp_path / "bird.png")
    assert found.label == "chickadee"
    x, y = strongest(found)
    assert (x > 0.5, y > 0.5) == (bool(left), bool(top))
    assert found.covered < found.score / 2


def test_another_label_has_evidence_of_its_own(imagenet: Path, testdata: Path) -> None:
    picture = testdata / "images/coral/cat.bmp"
    given = explain(imagenet, picture)
    other = explain(imagenet, picture, "tabby, tabby cat")
    assert (given.label, other.label) == ("Egyptian cat", "tabby, tabby cat")
    assert given.score > other.score and not np.array_equal(given.heat, other.heat)


def test_the_drawing_has_both_halves_and_a_line_of_text(
    converter: Run, testdata: Path, tmp_path: Path
) -> None:
    picture = next((testdata / "images/vww01-open/person").glob("*.png"))
    told = converter("explain", PERSON, picture, "--out", tmp_path / "why.png", "--label", "person")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"{picture.name}: person 0.")
    drawn = cv2.imread(str(tmp_path / "why.png"))
    assert drawn is not None and drawn.shape == (HEAD + SHOWN, 2 * SHOWN, 3)
    seen, marked = drawn[HEAD:, :SHOWN], drawn[HEAD:, SHOWN:]
    assert (drawn[:HEAD] < 100).any() and not np.array_equal(seen, marked)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (1, 1)])
def test_grad_cam_follows_the_person(left: int, top: int, tmp_path: Path) -> None:
    """TensorFlow in a process of its own."""
    photograph = np.asarray(cv2.cvtColor(PHOTOGRAPH, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "astronaut.png"), in_a_quarter(photograph, left, top))
    script = f"""
from pathlib import Path
from converter.explain import explain
found = explain(
    Path({str(PERSON)!r}), Path({str(tmp_path / "astronaut.png")!r}), "person",
    Path({str(KERAS)!r}),
)
rows, columns = found.gradients.sum(axis=1), found.gradients.sum(axis=0)
half = len(rows) // 2
print(int(rows[half:].sum() > rows[:half].sum()), int(columns[half:].sum() > columns[:half].sum()))
"""
    command = [sys.executable, "-c", script]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert told.returncode == 0, told.stderr
    assert tuple(map(int, told.stdout.split()[-2:])) == (top, left)


def test_with_the_keras_model_the_drawing_has_a_third_part(
    converter: Run, testdata: Path, tmp_path: Path
) -> None:
    picture = next((testdata / "images/vww01-open/person").glob("*.png"))
    out = tmp_path / "why.png"
    told = converter("explain", PERSON, picture, "--out", out, "--keras", KERAS)
    assert told.returncode == 0, told.stderr
    assert told.stderr == "", "no line of TensorFlow or LiteRT"
    drawn = cv2.imread(str(out))
    assert drawn is not None and drawn.shape == (HEAD + SHOWN, 3 * SHOWN, 3)
    parts = [drawn[HEAD:, SHOWN * part : SHOWN * (part + 1)] for part in range(3)]
    assert not np.array_equal(parts[1], parts[2]) and not np.array_equal(parts[0], parts[2])


def test_what_cannot_be_explained_is_said_in_one_line(
    converter: Run, ssd: Path, testdata: Path, tmp_path: Path
) -> None:
    picture, out = testdata / "images/coral/cat.bmp", tmp_path / "why.png"
    resnet = testdata / "models/mlperf-tiny/ic_resnet8/pretrainedResnet.h5"
    (tmp_path / "no.jpg").write_text("no picture")
    for arguments, reason in (
        ((ssd, picture, "--out", out), "is a detector"),
        ((PERSON, picture, "--out", out, "--label", "cat"), "--label cat: "),
        ((PERSON, picture, "--out", out, "--keras", resnet), "it was made of another"),
        ((PERSON, tmp_path / "no.jpg", "--out", out), "is no readable picture"),
        ((PERSON, picture, "--out", tmp_path / "x/why.png"), "there is no such folder"),
    ):
        told = converter("explain", *arguments)
        assert told.returncode == 78 and reason in told.stderr, told.stderr
        assert "Traceback" not in told.stderr and not out.exists()
