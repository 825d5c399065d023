"""Heads of real ultralytics graphs (v5u, v8, v11): our boxes are ultralytics' own.

tests/golden/yolo/heads.npz is what tests/benchmarks/ultralytics_heads.py wrote.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge.decode import open_decode
from edge.decode.boxes import iou
from edge.model import Contract
from edge.preprocess import Preprocess
from edge.types import Detection, Fit, TensorSpec

HEADS = Path(__file__).parent.parent / "golden" / "yolo" / "heads.npz"
LABELS = tuple(f"label_{number}" for number in range(6))
NETWORKS = ("yolov5nu", "yolov8n", "yolo11n")
Floats = npt.NDArray[np.float32]


def contract(per_class: bool) -> Contract:
    return Contract.model_validate(
        {
            "name": "yolo", "task": "detect", "labels": LABELS,
            "input": {"width": 160, "height": 160, "resize": "letterbox"},
            "output": {
                "layout": "yolov8",
                "nms": {"iou": 0.45, "min_score": 0.25, "per_class": per_class},
            },
        }
    )  # fmt: skip


def golden(name: str) -> Floats:
    with np.load(HEADS) as arrays:
        return np.asarray(arrays[name], np.float32)


def fit() -> Fit:
    width, height = golden("size").astype(int).tolist()
    spec = TensorSpec("in", (1, 160, 160, 3), np.dtype(np.uint8), 1 / 255, 0)
    return Preprocess(contract(True).input, spec)(np.zeros((height, width, 3), np.uint8))[1]


def table(found: tuple[Detection, ...]) -> Floats:
    """As ultralytics tells it: corners in the picture's pixels, score, label; cut at its edges."""
    width, height = golden("size")
    rows = []
    for d in found:
        assert d.box is not None
        cut = d.box.cut()
        corners = (cut.x_min * width, cut.y_min * height, cut.x_max * width, cut.y_max * height)
        rows.append((*corners, d.score, LABELS.index(d.label)))
    return np.array(rows, np.float32)


def ordered(rows: Floats) -> Floats:
    """Best first; of equal scores the lower label first."""
    return rows[np.lexsort((rows[:, 0], rows[:, 5], -rows[:, 4]))]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("nms", ["per_class", "agnostic"])
def test_a_float_head_gives_ultralytics_own_boxes(name: str, nms: str) -> None:
    head = golden(name)[None]
    spec = TensorSpec("out", head.shape, np.dtype(np.float32))
    found = ordered(table(open_decode(contract(nms == "per_class"), (spec,))((head,), fit())))
    expected = ordered(golden(f"{name}_{nms}"))
    assert found.shape == expected.shape and len(found) >= 4
    assert np.array_equal(found[:, 5], expected[:, 5])
    assert found[:, 4] == pytest.approx(expected[:, 4], abs=1e-5)
    worst = np.abs(found[:, :4] - expected[:, :4]).max()
    assert worst <= 0.02, "pixels of 1200: what float32 leaves"


@pytest.mark.parametrize("name", NETWORKS)
def test_a_per_tensor_int8_head_loses_nothing_but_its_steps(name: str) -> None:
    """One scale for boxes and scores, as int8 exports have it."""
    real = golden(name)[None]
    low, high = min(0.0, float(real.min())), float(real.max())
    scale = (high - low) / 255
    spec = TensorSpec("out", real.shape, np.dtype(np.int8), scale, round(-128 - low / scale))
    stored = spec.quantize(real)
    floats = TensorSpec("out", real.shape, np.dtype(np.float32))
    found = table(open_decode(contract(True), (spec,))((stored,), fit()))
    same = table(open_decode(contract(True), (floats,))((spec.dequantize(stored),), fit()))
    assert np.array_equal(found, same)
    assert np.abs(spec.dequantize(stored) - real).max() <= scale * 0.51
    best = golden(f"{name}_per_class")[0]
    match = iou(best[None, :4], found[:, :4])[0] * (found[:, 5] == best[5])
    assert match.max() > 0.7 and len(found) >= 4
