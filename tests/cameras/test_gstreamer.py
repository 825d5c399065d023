"""GStreamer pipelines, by the system's own GStreamer."""

import subprocess

import numpy as np
import pytest

from tests.cameras.servers import SYSTEM_PYTHON
from tests.cameras.watch import Watched, source
from tests.conftest import need

BARS = "gst:videotestsrc is-live=true pattern=smpte100 ! video/x-raw,width=322,height=240"


@pytest.fixture(autouse=True)
def gstreamer() -> None:
    probe = "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst"
    found = (
        SYSTEM_PYTHON.exists()
        and not subprocess.run(
            [SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False
        ).returncode
    )
    need(found, "GStreamer for Python (apt: python3-gi gstreamer1.0-plugins-base)")


def test_frames_come_whole_and_in_the_right_colours() -> None:
    with Watched(source(BARS)) as seen:
        image = seen.wait_for_frames(3)[-1].image
    assert image.shape == (240, 322, 3), "rows without padding"
    assert np.abs(image[100, 69].astype(int) - (0, 255, 255)).max() < 10, "yellow"


@pytest.mark.parametrize(
    ("pipeline", "reason", "kind"),
    [
        ("videotestsrc ! nonsense", "nonsense", "TransientError"),
        (
            "videotestsrc ! tee name=t t. ! queue ! filesink location=/tmp/x t.",
            "filesink",
            "FatalError",
        ),
        ("videotestsrc ! udpsink host=127.0.0.1 videotestsrc", "udpsink", "FatalError"),
    ],
)
def test_pipelines_that_send_are_refused_and_what_is_not_there_may_come(
    pipeline: str, reason: str, kind: str
) -> None:
    with Watched(source(f"gst:{pipeline}")) as seen:
        said = seen.wait_for_error()
    assert reason in said
    assert type(seen.error).__name__ == kind


def test_no_value_of_a_pipeline_is_shown() -> None:
    pipeline = "gst:videotestsrc user-pw=hunter2 pattern=smpte name=rtsp://a:hunter2@cam"
    with Watched(source(pipeline)) as seen:
        said = seen.wait_for_error()
    assert said.startswith("gst:videotestsrc user-pw=*** pattern=*** name=***: ")
    assert "hunter2" not in said


def test_the_end_of_a_pipeline_is_said() -> None:
    with Watched(source("gst:videotestsrc num-buffers=3")) as seen:
        assert seen.wait_for_error().endswith("has ended")
    assert 1 <= len(seen.frames) <= 3


def test_a_jetsons_camera_without_its_elements() -> None:
    with Watched(source("csi:0")) as seen:
        assert "nvarguscamerasrc" in seen.wait_for_error()
    assert type(seen.error).__name__ == "TransientError", "the other sources go on"
