"""Real Keras files and SavedModels: code is not run, and all that converts can be explained."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from converter.loading import Loading
from converter.training.networks import load as load_weights
from converter.workshop import Workshop
from edge.errors import FatalError
from tests.integration.converter.conftest import Run
from tests.unit.converter.test_carried import LAMBDA, model, write_hdf5


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `tests.opening` says."""
    folder = tmp_path_factory.mktemp("opening")
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.opening", str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    facts: dict[str, Any] = json.loads(ran.stdout)
    return facts


def test_bytecode_runs_without_the_scan_and_not_with_it(found: dict[str, Any]) -> None:
    said = found["bytecode"]
    assert said.pop("without a scan") == "RAN"
    assert len(said) == 6
    for text in said.values():
        assert "a Lambda: its Python code would run here" in text
        assert text.endswith("did not run")


def test_graphs_that_do_more_than_compute_are_refused(found: dict[str, Any]) -> None:
    said = found["graphs"]
    assert said.pop("honest") == "opened", "its saver reads and writes variables, as all do"
    assert said.pop("left behind") == ""
    assert "give the .keras or .h5 file" in said.pop("a folder for its layers")
    assert set(said) == {"writes", "saves", "saves deep inside", "prints"}
    for text in said.values():
        assert "which reaches outside the network" in text


def test_every_operator_of_tensorflow_that_reaches_outside_is_known(found: dict[str, Any]) -> None:
    assert found["operators"] == []


def test_grad_cam_works_on_all_that_converts(found: dict[str, Any]) -> None:
    said = found["explained"]
    assert "has 3 outputs" in said.pop("three.keras")
    assert set(said.values()) == {"a map"}, said


def test_what_keras_dislikes_is_said_without_its_configuration(found: dict[str, Any]) -> None:
    said = found["reasons"]
    assert said["units"].endswith("expected a positive integer. Received: units=-1")
    assert said["more"].endswith("Unrecognized keyword arguments passed to Dense: {'x': 1}")
    assert said["own"].endswith("name its code with --custom-objects module:w")


def test_weights_with_code_are_refused_before_anything_opens_them(tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "m.h5", model(LAMBDA))
    with pytest.raises(FatalError, match="holds a Lambda: its Python code would run here"):
        load_weights(None, path)


def test_explain_and_convert_refuse_the_same_file(converter: Run, tmp_path: Path) -> None:
    path = write_hdf5(tmp_path / "m.h5", model(LAMBDA))
    told = converter("convert", path, "--data", tmp_path, "--out", tmp_path / "m.tflite")
    assert told.returncode == 78 and "holds a Lambda" in told.stderr


def test_a_file_in_the_working_folder_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever unpacks a model often works in its folder."""
    evil = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    for name in ("h5py", "tf_keras", "keras", "numpy"):
        (tmp_path / f"{name}.py").write_text(evil)
    monkeypatch.chdir(tmp_path)
    path = write_hdf5(tmp_path / "m.h5", model(LAMBDA))
    request = Loading(path).request() | {"out": "x.npz"}
    with (
        Workshop(tmp_path, progress=False) as workshop,
        pytest.raises(FatalError, match="holds a Lambda"),
    ):
        workshop.ask("weights", "opening", request)
    assert not (tmp_path / "ran").exists()
