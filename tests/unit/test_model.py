"""Model files: contract and golden vectors are found, damage is noticed, errors name the file."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import model
from edge.errors import FatalError

FLATBUFFER = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4
"""Not a network, but what `load` looks at: the identifier, then bytes under a hash."""


def contract(**changes: object) -> dict[str, object]:
    return {
        "schema": "hedgerow.model/1",
        "name": "leaf",
        "input": {"width": 8, "height": 8},
        "labels": ["healthy", "rust"],
        "thresholds": {"rust": 0.7},
        "flatbuffer_sha256": hashlib.sha256(FLATBUFFER).hexdigest(),
        **changes,
    }


def packed(described: dict[str, object]) -> bytes:
    golden = io.BytesIO()
    np.savez(golden, inputs=np.zeros((2, 8, 8, 3), np.int8), outputs=np.zeros((2, 2), np.int8))
    file = io.BytesIO(FLATBUFFER)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("hedgerow.json", json.dumps(described))
        archive.writestr("golden.npz", golden.getvalue())
    return file.getvalue()


def load(folder: Path, data: bytes) -> model.Model:
    path = folder / "leaf.tflite"
    path.write_bytes(data)
    return model.load(path)


def test_the_file_gives_back_what_was_packed(tmp_path: Path) -> None:
    loaded = load(tmp_path, packed(contract()))
    assert loaded.flatbuffer == FLATBUFFER
    assert loaded.contract.labels == ("healthy", "rust")
    assert loaded.contract.thresholds == {"rust": 0.7}
    assert loaded.golden is not None
    assert loaded.golden.inputs.shape == (2, 8, 8, 3)
    assert loaded.sha256 == hashlib.sha256(FLATBUFFER).hexdigest()


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = packed(contract())
    at = data.draw(st.integers(0, len(FLATBUFFER) - 1))
    broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(FatalError, match=r"is damaged|is not a TensorFlow Lite model"):
        load(tmp_path_factory.mktemp("m"), broken)


@settings(max_examples=100, deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_cut_file_is_refused(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    whole = packed(contract())
    with pytest.raises(FatalError):
        load(tmp_path_factory.mktemp("m"), whole[: int(len(whole) * share)])


def test_a_model_without_contract_says_where_to_put_one(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"carries no contract .*converter convert.*model\.toml"):
        load(tmp_path, FLATBUFFER)


def test_a_foreign_model_is_described_by_model_toml(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(
        'name = "foreign"\nlabels = ["a"]\ninput = { width = 8, height = 8 }\n'
    )
    assert load(tmp_path, FLATBUFFER).contract.name == "foreign"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": "hedgerow.model/2"}, "schema"),
        ({"labels": []}, "labels"),
        ({"thresholds": {"rsut": 0.5}}, "thresholds name ['rsut']"),
        ({"input": {"width": 0, "height": 8}}, "input.width"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_contract_that_is_wrong_is_named(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(FatalError) as caught:
        load(tmp_path, packed(contract(**change)))
    assert "hedgerow.json" in str(caught.value) and complaint in str(caught.value)


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="is not a TensorFlow Lite model"):
        load(tmp_path, b"d41d8cd98f00b204e9800998ecf8427e  model.tflite\n")
    with pytest.raises(FatalError, match="there is no such model file"):
        model.load(tmp_path / "nothing.tflite")
    with pytest.raises(FatalError, match="cannot be read"):
        model.load(tmp_path)


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        ("output = { nms = { iou = 0.6 } }", "output.nms.iou: without effect for classify"),
        ('output = { coordinates = "pixels" }', "output.coordinates"),
        ("input.crop_fraction = 0.9", "input.crop_fraction"),
        (
            'task = "detect"\noutput = { layout = "yolov8" }\ntemperature = 2',
            "temperature: without",
        ),
        ('task = "detect"\noutput = { layout = "yolov8" }\nreject.below = 0.5', "reject: without"),
        (
            'task = "detect"\noutput = { layout = "ssd_postprocess", kind = "logits", '
            "nms = { iou = 0.6, min_score = 0.3, max_detections = 5, per_class = false } }",
            "output.kind, output.nms.iou, output.nms.per_class, output.nms.min_score, "
            "output.nms.max_detections: without effect for ssd_postprocess: leave it out",
        ),
        (
            'task = "detect"\noutput = { layout = "end_to_end", '
            "nms = { iou = 0.6, min_score = 0.3, max_detections = 5 } }",
            "output.nms.iou: without effect for end_to_end",
        ),
    ],
)
def test_what_a_model_toml_says_in_vain(tmp_path: Path, more: str, keys: str) -> None:
    (tmp_path / "model.toml").write_text(
        f'name = "m"\nlabels = ["a"]\ninput.width = 8\ninput.height = 8\n{more}\n'
    )
    with pytest.raises(FatalError) as caught:
        load(tmp_path, FLATBUFFER)
    assert keys in str(caught.value) and str(caught.value).startswith(str(tmp_path / "model.toml"))


@pytest.mark.parametrize(
    "more",
    [
        'output = { kind = "logits", tensors = [0] }\ntemperature = 2\nreject.below = 0.5',
        'input.resize = "crop"\ninput.crop_fraction = 0.9',
        'task = "detect"\noutput = { layout = "yolov8", kind = "logits", coordinates = "pixels", '
        "nms = { iou = 0.6, min_score = 0.3, max_detections = 5, per_class = false } }",
    ],
)
def test_what_a_model_toml_says_with_effect(tmp_path: Path, more: str) -> None:
    (tmp_path / "model.toml").write_text(
        f'name = "m"\nlabels = ["a"]\ninput.width = 8\ninput.height = 8\n{more}\n'
    )
    load(tmp_path, FLATBUFFER)
