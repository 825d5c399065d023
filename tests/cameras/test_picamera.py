"""picamera2 itself, on libcamera's virtual camera: colour bars, white to black from the left.

It tests our use of picamera2, not a Raspberry Pi's image processor: exposure, gain, focus and HDR
are controls that the virtual camera does not have.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.cameras.watch import Watched, source
from tests.conftest import need

LIBCAMERA = Path(os.environ.get("HEDGEROW_LIBCAMERA", "/opt/libcamera"))
BARS = ((255, 255, 255), (0, 255, 255), (255, 255, 0), (0, 255, 0), (255, 0, 255), (0, 0, 255))
"""White, yellow, cyan, green, magenta and red as B, G, R."""


@pytest.fixture(autouse=True)
def virtual_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    need((LIBCAMERA / "venv").is_dir(), "libcamera (tests/cameras/libcamera/build /opt/libcamera)")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(LIBCAMERA / "lib"))
    monkeypatch.setenv("HEDGEROW_SYSTEM_PYTHON", str(LIBCAMERA / "venv/bin/python"))


@pytest.mark.parametrize("stream", ["main", "lores"])
def test_frames_have_the_width_that_was_asked_for_and_the_right_colours(stream: str) -> None:
    with Watched(source("picamera:0", width=320, picamera={"stream": stream})) as seen:
        image = seen.wait_for_frames(3)[-1].image
    assert image.shape == (180, 320, 3)
    colours = [image[90, 40 * bar + 20] for bar in range(len(BARS))]
    assert np.abs(np.array(colours, int) - np.array(BARS)).max() < 20


def test_the_camera_itself_keeps_the_rate() -> None:
    with Watched(source("picamera:0", width=320, fps=10)) as seen:
        frames = seen.wait_for_frames(11)
    assert 0.08 < (frames[-1].mono_s - frames[0].mono_s) / 10 < 0.15


def test_odd_widths_have_rows_without_padding() -> None:
    with Watched(source("picamera:0", width=322, picamera={"stream": "lores"})) as seen:
        image = seen.wait_for_frames(2)[-1].image
    assert image.shape == (182, 322, 3)
    for row in (5, 90, 175):
        assert np.abs(image[row, 10].astype(int) - 255).max() < 20, "the bars stay upright"
        assert np.abs(image[row, 60].astype(int) - (0, 255, 255)).max() < 20


def test_a_control_that_the_camera_does_not_have_is_named() -> None:
    with Watched(source("picamera:0", picamera={"exposure_us": 5000})) as seen:
        said = seen.wait_for_error()
    assert said == "picamera:0: this camera has no control ExposureTime"


def test_a_camera_that_is_not_there_may_come() -> None:
    with Watched(source("picamera:7")) as seen:
        assert seen.wait_for_error().startswith("picamera:7: libcamera finds no such camera")


def test_without_picamera2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEDGEROW_SYSTEM_PYTHON")
    with Watched(source("picamera:0")) as seen:
        assert "sudo apt install python3-picamera2" in seen.wait_for_error()
