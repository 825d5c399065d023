"""A real network, trained and converted: what the device will get."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from converter import Conversion, Options, convert, evaluate
from edge.decode import Classify
from edge.errors import FatalError
from edge.model import load
from edge.preprocess import Preprocess, pixel_table
from edge.runtime.runtime import open_runtime
from tests.integration.converter.conftest import Run

VARIANCE = {"SQUARED_DIFFERENCE", "MEAN", "ADD", "RSQRT"}


def test_the_device_opens_the_file_and_labels_a_picture(
    stripes: Conversion, material: Path
) -> None:
    model = load(stripes.out)
    runtime = open_runtime(model)
    preprocess = Preprocess(model.contract.input, runtime.input)
    decode = Classify(model.contract, runtime.output)
    image = cv2.imread(str(material / "pictures" / "standing" / "3.png"))
    tensor, fit = preprocess(np.asarray(image, np.uint8))
    best = decode(runtime.infer(tensor), fit)[0]
    assert best.label == "standing"
    assert best.score > 0.9


def test_the_network_is_int8_from_end_to_end(stripes: Conversion) -> None:
    runtime = open_runtime(load(stripes.out))
    assert runtime.input.dtype == runtime.output.dtype == np.int8
    assert runtime.input.shape == (1, 32, 32, 3)
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(stripes.report["operators"])


@pytest.mark.parametrize("normalize", ["0..1", "-1..1", "none"])
def test_the_input_is_the_pixel_less_128(material: Path, tmp_path: Path, normalize: str) -> None:
    out = tmp_path / "model.tflite"
    options = Options(normalize=normalize, effort="fast", max_drop=100, progress=False)
    convert(material / "stripes.keras", material / "pictures", out, options)
    model = load(out)
    table = pixel_table(model.contract.input, open_runtime(model).input)
    np.testing.assert_array_equal(table[:, 0], np.arange(256) - 128)


def test_the_contract_says_what_was_asked_and_measured(stripes: Conversion) -> None:
    contract = load(stripes.out).contract
    assert contract.name == "stripes"
    assert contract.labels == ("lying", "standing")
    assert contract.thresholds == {"standing": 0.6}
    assert contract.reject.below == 0.5
    assert contract.output.kind == "probabilities"
    assert contract.receipt["accuracy"] == stripes.report["accuracy"]
    assert len(contract.provenance["source_sha256"]) == 64


def test_the_pictures_that_calibrate_do_not_measure(stripes: Conversion) -> None:
    data = stripes.report["data"]
    assert data["calibration"] == 16
    assert data["measured_on"] == 64
    assert data["measured_apart"] is True
    assert stripes.report["accuracy"]["int8"] >= 0.95


def test_the_reports_lie_beside(stripes: Conversion) -> None:
    assert json.loads(stripes.report_json.read_text())["accuracy"] == stripes.report["accuracy"]
    page = stripes.report_html.read_text()
    assert "accuracy" in page
    assert "http" not in page


def test_the_same_conversion_gives_the_same_bytes(stripes: Conversion, material: Path) -> None:
    again = stripes.out.with_name("again") / "stripes.tflite"
    again.parent.mkdir()
    options = Options(thresholds={"standing": 0.6}, reject_below=0.5, progress=False)
    convert(material / "stripes.keras", material / "pictures", again, options)
    assert again.read_bytes() == stripes.out.read_bytes()


def test_unzip_shows_the_three_files(stripes: Conversion) -> None:
    with zipfile.ZipFile(stripes.out) as archive:
        assert archive.namelist() == ["labels.txt", "hedgerow.json", "golden.npz"]
        assert archive.read("labels.txt") == b"lying\nstanding\n"


def test_evaluate_agrees_with_the_report(stripes: Conversion, material: Path) -> None:
    facts = evaluate(stripes.out, material / "pictures", progress=False)
    assert facts["pictures"] == 80
    assert facts["accuracy"] >= 0.95
    assert sum(facts["answers"].values()) == 80


def test_the_command_converts_h5_and_says_what_it_cost(
    converter: Run, material: Path, tmp_path: Path
) -> None:
    pictures = shutil.copytree(material / "pictures", tmp_path / "pictures")
    (pictures / "lying" / "empty.jpg").write_bytes(b"")
    out = tmp_path / "yard.tflite"
    ran = converter("convert", material / "stripes.h5", "--data", pictures, "--out", out)
    assert ran.returncode == 0, ran.stderr
    assert "accuracy   float 100.00 %" in ran.stdout
    assert "1 files are no readable pictures" in ran.stdout
    assert load(out).contract.name == "yard"
    assert "Traceback" not in ran.stderr
    assert "tensorflow" not in ran.stderr.lower().replace("tensorflow lite xnnpack delegate", "")


def test_unlabelled_pictures_claim_no_accuracy(
    converter: Run, material: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for picture in (material / "pictures" / "lying").iterdir():
        shutil.copy(picture, flat)
    out = tmp_path / "m.tflite"
    arguments = ("--data", flat, "--labels", "lying,standing", "--effort", "fast")
    ran = converter("convert", material / "stripes.keras", *arguments, "--out", out)
    assert ran.returncode == 0, ran.stderr
    assert "agreement" in ran.stdout
    assert "accuracy   " not in ran.stdout
    assert "no accuracy is claimed" in ran.stdout


def test_three_pictures_are_refused_and_nothing_is_left(material: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(3):
        shutil.copy(material / "pictures" / "lying" / f"{number}.png", few)
    options = Options(labels=("lying", "standing"), progress=False)
    with pytest.raises(FatalError, match="3 readable pictures"):
        convert(material / "stripes.keras", few, tmp_path / "m.tflite", options)
    assert [path.name for path in tmp_path.iterdir()] == ["few"]


def test_a_class_without_pictures_is_named(material: Path, tmp_path: Path) -> None:
    pictures = Path(shutil.copytree(material / "pictures", tmp_path / "pictures"))
    (pictures / "sitting").mkdir()
    with pytest.raises(FatalError, match="sitting: holds no pictures: add some, or remove"):
        convert(material / "stripes.keras", pictures, tmp_path / "m.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize("room", [4096, 100_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    material: Path, tmp_path: Path, room: int
) -> None:
    """No file may grow beyond `room` bytes: at once, or when the float network is written."""
    (tmp_path / "scratch").mkdir()
    command = [sys.executable, "-m", "converter", "convert", str(material / "stripes.keras")]
    arguments = ["--data", str(material / "pictures"), "--out", str(tmp_path / "m.tflite")]
    ran = subprocess.run(
        ["prlimit", f"--fsize={room}", *command, *arguments, "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(tmp_path / "scratch")},
    )
    errors = [text for text in ran.stderr.splitlines() if not text.startswith("INFO: ")]
    assert ran.returncode == 78, ran.stderr
    assert len(errors) == 1 and errors[0].startswith("converter: error: "), errors
    assert list(tmp_path.rglob("*")) == [tmp_path / "scratch"]


def test_an_operator_without_int8_kernel_stays_in_float_and_is_named(
    converter: Run, material: Path, tmp_path: Path
) -> None:
    arguments = ("--data", material / "pictures", "--out", tmp_path / "m.tflite", "--quiet")
    more = ("--effort", "fast", "--max-drop", "100")
    ran = converter("convert", material / "sine.keras", *arguments, *more)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"in float, .* no kernel .*: SIN \(first at .*Sin\)", ran.stdout), ran.stdout


def test_layer_normalisation_is_int8_but_for_its_variance(material: Path, tmp_path: Path) -> None:
    """Keras subtracts the mean with NEG, which has no int8 kernel."""
    options = Options(effort="fast", max_drop=100, progress=False)
    source, pictures = material / "normalised.keras", material / "pictures"
    report = convert(source, pictures, tmp_path / "m.tflite", options).report
    assert {row["operator"] for row in report["float_operators"]} <= VARIANCE
    assert "RSQRT" in report["operators"]
    assert report["score_error"] < 0.1


def test_variances_that_int8_rounds_to_nothing_stay_in_float(
    material: Path, tmp_path: Path
) -> None:
    """Dark pictures, each with a bright corner, which sets the range of all variances."""
    random, pictures = np.random.default_rng(5), tmp_path / "pictures"
    pictures.mkdir()
    for number in range(40):
        picture = random.integers(0, 40, 3) + random.integers(0, 6, (32, 32, 3))
        picture[:3, :3] = random.integers(0, 256, 3)
        cv2.imwrite(str(pictures / f"{number}.png"), picture)
    options = Options(labels=("lying", "standing"), effort="fast", progress=False)
    source = material / "normalised.keras"
    report = convert(source, pictures, tmp_path / "m.tflite", options).report
    error = {row["name"]: row["divergence"] for row in report["tried"]}
    assert error["min/max, variance in float"] < error["min/max"] / 2
    assert report["chosen"] == "min/max, variance in float"
    assert {row["operator"] for row in report["float_operators"]} == VARIANCE
    everywhere = replace(options, full_integer=True, max_drop=100)
    report = convert(source, pictures, tmp_path / "n.tflite", everywhere).report
    assert report["chosen"] == "min/max"
    assert report["float_operators"] == []


BAD = {
    "no model": (["gone.keras"], "gone.keras: there is no such model file"),
    "not a model": (["pictures/lying/1.png"], "is no .keras or .h5 file"),
    "label count": (["stripes.keras", "--labels", "lying,standing,x"], "has 2 outputs"),
    "strange folder": (["stripes.keras", "--labels", "a,b"], "no label has this folder's name"),
    "grey": (["stripes.keras", "--color", "grey"], "3 colour channel(s)"),
    "normalize": (["stripes.keras", "--normalize", "big"], "--normalize: 'big'"),
    "threshold": (["stripes.keras", "--thresholds", "cow=0.5"], "'cow' is not among the labels"),
    "name": (["stripes.keras", "--name", "A B"], "--name: 'A B'"),
    "two outputs": (["two_outputs.keras"], "outputs scores, box: choose"),
    "two inputs": (["two_inputs.keras"], "2 inputs (image, weather)"),
    "open": (["open.keras"], "fix it with --input-size HxW"),
    "lstm": (["lstm.keras"], "layer 'memory' is LSTM: a recurrent network"),
    "dead": (["dead.keras"], "not finite in TFLite, but not in Keras"),
    "lambda": (["lambda.keras"], "layer 'secret' is a Lambda"),
    "lambda in h5": (["lambda.h5"], "layer 'secret' is a Lambda"),
    "custom layer": (["custom.keras"], "--custom-objects module:Doubling"),
    "custom module": (["custom.keras", "--custom-objects", "nowhere:X"], "'nowhere:X'"),
    "wrong size": (["stripes.keras", "--input-size", "8x8"], "takes 32x32 pictures only"),
    "weights only": (["weights.h5"], "holds weights but no network"),
    "folder": (["pictures"], "is a folder without saved_model.pb"),
    "no output folder": (["stripes.keras", "--out", "gone/m.tflite"], "there is no such folder"),
    "a file for a folder": (["stripes.keras", "--out", "/dev/null/m.tflite"], "no such folder"),
    "transformer": (["attention.keras"], "layer 'look' is MultiHeadAttention"),
    "no int8 kernel": (["sine.keras", "--full-integer"], "no int8 kernel for SIN, which layer"),
    "no operator": (["erfinv.keras"], "TFLite has no operator for Erfinv, which layer 'functional"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_status_78(
    converter: Run, material: Path, tmp_path: Path, case: str
) -> None:
    (model, *options), line = BAD[case]
    out = tmp_path / "m.tflite"
    arguments = ("--data", material / "pictures", "--out", out, "--quiet", *options)
    ran = converter("convert", material / model, *arguments)
    errors = [text for text in ran.stderr.splitlines() if not text.startswith("INFO: ")]
    assert ran.returncode == 78
    assert len(errors) == 1
    assert errors[0].startswith("converter: error: ")
    assert line in errors[0]
    assert list(tmp_path.iterdir()) == []


def test_too_much_lost_is_status_3_with_a_report_and_without_a_model(
    converter: Run, material: Path, stripes_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.tflite"
    shutil.copyfile(stripes_file, out)
    arguments = ("--data", material / "pictures", "--out", out, "--effort", "fast", "--quiet")
    ran = converter("convert", material / "stripes.keras", *arguments, "--max-drop", "-1")
    assert ran.returncode == 3
    assert "no model was written" in ran.stderr
    first, *_, last = [line for line in ran.stderr.splitlines() if not line.startswith("INFO: ")]
    assert first == "WARNING    no --normalize was given: 0..1 is assumed"
    assert last.startswith("converter: error: ")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["m.report.html", "m.report.json", "m.tflite.previous"]
    assert json.loads((tmp_path / "m.report.json").read_text())["gate"]["passed"] is False


def test_a_folder_that_takes_no_files_is_named(material: Path) -> None:
    """/proc: not even root may write there."""
    with pytest.raises(FatalError, match="--out: /proc: the folder is not writable"):
        convert(material / "stripes.keras", material / "pictures", Path("/proc/m.tflite"))


def test_ctrl_c_ends_with_130_and_leaves_nothing(material: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(material / "pictures"), "--out", str(tmp_path / "m.tflite")]
    command = [sys.executable, "-m", "converter", "convert", str(material / "stripes.keras")]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
