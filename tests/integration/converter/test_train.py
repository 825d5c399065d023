"""`converter train`, and `converter convert` on what it made."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import need
from tests.networks import write_pictures

IMAGENET = "models/keras/google_mobilenet_v1_0.25_224_imagenet.h5"
QUICK = ["--size", "32", "--scenario", "scene", "--batch", "16", "--quiet"]


def converter(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "converter", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of lying and of standing stripes, a folder each."""
    folder = tmp_path_factory.mktemp("stripes") / "pictures"
    write_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def imagenet(testdata: Path) -> Path:
    need((testdata / IMAGENET).exists(), IMAGENET)
    return testdata / IMAGENET


def test_from_pictures_to_a_model_that_runs_on_a_device(stripes: Path, tmp_path: Path) -> None:
    out = tmp_path / "stripes.keras"
    done = converter("train", "--data", stripes, "--out", out, "--epochs", "25", *QUICK)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "stripes.train.json").read_text())
    assert report["labels"] == ["lying", "standing"]
    counts = report["pictures"]
    assert counts["test"] >= 10 and counts["validation"] >= 8
    total = counts["training"] + counts["validation"] + counts["test"]
    assert total + counts["near_duplicates_left_out"] == 80
    assert sum(map(sum, report["confusion"])) == counts["test"]
    assert report["accuracy"] > 0.8, "lying and standing stripes are easily told apart"
    page = (tmp_path / "stripes.train.html").read_text()
    assert "<svg" in page and "http" not in page.replace("http://www.w3.org", "")
    packed = tmp_path / "stripes.tflite"
    made = converter(
        "convert", out, "--data", stripes, "--out", packed, "--effort", "fast", "--quiet",
        "--max-drop", "100",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert packed.exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--weights", "/nowhere/w.h5"], "--weights /nowhere/w.h5: there is no such file"),
        (["--backbone", "mobilenet-0.5"], "it is another backbone's"),
        (["--labels", "lying,flying"], "no label has this folder's name"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    stripes: Path, imagenet: Path, tmp_path: Path, arguments: list[str], reason: str
) -> None:
    given = ["--backbone", "mobilenet-0.25", "--weights", imagenet, *arguments]
    out = tmp_path / "out.keras"
    done = converter("train", "--data", stripes, "--out", out, "--epochs", "1", *QUICK, *given)
    assert done.returncode == 78
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("converter: error: ") and reason in last
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_class_without_a_picture_of_its_own_to_train_is_named(
    stripes: Path, tmp_path: Path
) -> None:
    """All of its pictures are in the test set too."""
    test = tmp_path / "test"
    shutil.copytree(stripes, test)
    done = converter(
        *("train", "--data", stripes, "--test", test, "--out", tmp_path / "o.keras"),
        *("--weights", "none", *QUICK),
    )
    assert done.returncode == 78
    assert "no picture is left to train 'lying'" in done.stderr


def test_lite0_knows_imagenet(testdata: Path) -> None:
    """The installed weights in our layers, with the classifier that belongs to them."""
    samples = testdata / "research-only" / "imagenet-samples-256"
    need(samples.exists(), str(samples))
    command = [sys.executable, "-m", "tests.imagenet_lite0", str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > 0.75
