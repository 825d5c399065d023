"""Files that nobody should open, and what is said of them."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from converter.edge_tpu import readiness
from converter.legacy import mend
from converter.scan import Scan, refuse_code, refuse_out_of_scope, scan
from edge.errors import FatalError

TESTDATA = Path(__file__).parents[4] / "shared" / "testdata"


def hdf5(path: Path, config: object) -> h5py.File:
    file = h5py.File(path, "w")
    file.attrs["model_config"] = json.dumps(config)
    return file


def test_a_link_into_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with hdf5(path, {}) as file:
        file["weights/kernel"] = h5py.ExternalLink("/etc/hostname", "/x")
    with pytest.raises(FatalError, match=r"/weights/kernel is a link into another file"):
        scan(path)


def test_numbers_kept_elsewhere_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with hdf5(path, {}) as file:
        outside = [(str(tmp_path / "other"), 0, 16)]
        file.create_dataset("kernel", (4,), np.float32, external=outside)
    with pytest.raises(FatalError, match="kernel keeps its numbers in another file"):
        scan(path)


def test_a_tensor_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with hdf5(path, {}) as file:
        file.create_dataset("kernel", (2**31, 4), np.float32, chunks=(2**16, 4))
    with pytest.raises(FatalError, match="kernel is no tensor of a CNN"):
        scan(path)


def test_a_pickle_in_a_keras_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("assets/tokens.pkl", b"")
    with pytest.raises(FatalError, match=r"holds assets/tokens\.pkl, a pickle"):
        scan(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 and then nothing", b"\x89HDF\r\n\x1a\n!", b"x"]
)
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    with pytest.raises(FatalError, match=r"m\.keras: is") as caught:
        scan(path)
    assert "\n" not in str(caught.value)


def layers(*kinds: str) -> Scan:
    rows = [{"class_name": kind, "config": {"name": f"the {kind}"}} for kind in kinds]
    config = {"class_name": "Functional", "config": {"name": "net", "layers": rows}}
    return Scan(Path("m.keras"), "keras", "3.15", config)


def test_code_and_other_kinds_of_networks_are_refused_by_name() -> None:
    with pytest.raises(FatalError, match="layer 'the Lambda' is a Lambda"):
        refuse_code(layers("Conv2D", "Lambda"))
    for kind in ("GRU", "MultiHeadAttention", "Embedding"):
        with pytest.raises(FatalError, match=f"layer 'the {kind}' is {kind}.*outside"):
            refuse_out_of_scope(layers("Conv2D", kind))
    refuse_code(layers("Conv2D"))
    refuse_out_of_scope(layers("Conv2D"))


def test_only_preprocessing_in_front_counts() -> None:
    assert [one.kind for one in layers("InputLayer", "Rescaling", "Conv2D").preprocessing()] == [
        "Rescaling"
    ]
    assert layers("Conv2D", "Rescaling").preprocessing() == ()


def test_what_keras_3_dislikes_is_mended() -> None:
    old = {"class_name": "DepthwiseConv2D", "config": {"name": "fire/expand", "groups": 1}}
    assert mend(old) == {"class_name": "DepthwiseConv2D", "config": {"name": "fire_expand"}}
    grouped = {"class_name": "Conv2D", "config": {"name": "c", "groups": 2}}
    assert mend(grouped) == grouped


@pytest.mark.parametrize(
    ("name", "mapped"),
    [
        ("coral/mobilenet_v1_0.25_128_quant.tflite", True),
        ("coral/keras_lstm_mnist_ptq.tflite", False),
    ],
)
def test_edge_tpu_readiness_of_real_files(name: str, mapped: bool) -> None:
    path = TESTDATA / "models" / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    found = readiness(path.read_bytes())
    assert (found["mapped"] == found["operators"]) is mapped
    assert bool(found["reasons"]) is not mapped
