"""Networks, pictures and one finished conversion, made once for all tests here."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from converter import Conversion, Options, convert

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with stripes.keras, stripes.h5 and pictures/<class>/."""
    folder = tmp_path_factory.mktemp("material")
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run(
        [sys.executable, "-m", "tests.networks", str(folder)],
        check=True,
        env=environment,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="session")
def stripes(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    """stripes.keras, converted through the Python API."""
    out = tmp_path_factory.mktemp("converted") / "stripes.tflite"
    options = Options(thresholds={"standing": 0.6}, reject_below=0.5, progress=False)
    return convert(material / "stripes.keras", material / "pictures", out, options)


@pytest.fixture(scope="session")
def stripes_file(stripes: Conversion) -> Path:
    """The converted file alone."""
    return stripes.out


@pytest.fixture
def converter() -> Run:
    """The command `converter` with these arguments, in a process of its own."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "converter", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
