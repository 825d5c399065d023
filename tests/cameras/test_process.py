"""A camera's own process: it may die, hang or be left alone; the daemon goes on."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from edge.errors import TransientError
from edge.sources.newest import Newest
from edge.types import Frame
from tests.benchmarks.process import running, usage
from tests.cameras.servers import RtspServer, WebCamera, jpeg, picture
from tests.cameras.watch import Watched, source, until
from tests.conftest import edge_command


def camera_processes(parent: int | None = None) -> list[int]:
    return running("edge.capture.child", parent)


@pytest.fixture
def camera() -> Iterator[WebCamera]:
    with WebCamera(lambda number: jpeg(picture(number))) as serving:
        yield serving


def test_one_that_is_killed_is_noticed_at_once(camera: WebCamera) -> None:
    with Watched(source(f"{camera.address}/mjpeg")) as seen:
        seen.wait_for_frames(2)
        (child,) = camera_processes()
        os.kill(child, signal.SIGKILL)
        assert seen.wait_for_error().endswith("its process ended with signal 9")


def test_one_that_hangs_is_killed_when_its_time_is_up(camera: WebCamera) -> None:
    with Watched(source(f"{camera.address}/mjpeg", timeout_s=1)) as seen:
        seen.wait_for_frames(2)
        (child,) = camera_processes()
        os.kill(child, signal.SIGSTOP)
        assert "hangs: nothing for 2 s; its process is ended" in seen.wait_for_error()
    assert not Path(f"/proc/{child}").exists()


def test_one_that_is_asked_for_few_frames_may_be_quiet_for_longer(camera: WebCamera) -> None:
    for path in ("/mjpeg", "/still"):
        with Watched(source(f"{camera.address}{path}", fps=0.25, timeout_s=1)) as seen:
            assert len(seen.wait_for_frames(3)) == 3


def test_ctrl_c_is_for_the_daemon_alone(camera: WebCamera, vww: Path) -> None:
    command = edge_command("run", "--source", f"{camera.address}/mjpeg", "--model", vww, "--json")
    daemon = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert daemon.stdout is not None
    daemon.stdout.readline()
    os.killpg(daemon.pid, signal.SIGINT)
    said = daemon.communicate(timeout=20)[1]
    assert daemon.returncode == 0
    assert "Traceback" not in said and "ended with" not in said


def test_one_whose_daemon_is_killed_ends_by_itself(camera: WebCamera) -> None:
    program = (
        "from tests.cameras.watch import source\n"
        f"for _ in source('{camera.address}/mjpeg'): print('frame', flush=True)"
    )
    daemon = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert daemon.stdout is not None
    daemon.stdout.readline()
    (child,) = camera_processes(daemon.pid)
    daemon.kill()
    daemon.communicate()
    until(lambda: not alive(child))


def test_nothing_is_left_behind(camera: WebCamera) -> None:
    for _ in range(3):
        with Watched(source(f"{camera.address}/mjpeg")) as seen:
            seen.wait_for_frames(1)
    until(lambda: not camera_processes())
    before = usage(os.getpid()).descriptors
    for _ in range(3):
        with Watched(source(f"{camera.address}/mjpeg")) as seen:
            seen.wait_for_frames(1)
    until(lambda: not camera_processes())
    until(lambda: usage(os.getpid()).descriptors <= before)


def test_one_that_cannot_be_started_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEDGEROW_SYSTEM_PYTHON", str(tmp_path))
    before = usage(os.getpid()).descriptors
    for _ in range(5):
        with Watched(source("picamera:0")) as seen:
            assert seen.wait_for_error() == "the camera's process: permission denied"
    until(lambda: usage(os.getpid()).descriptors <= before)


def test_whatever_else_goes_wrong_is_said() -> None:
    def grab(_: Event) -> Iterator[Frame]:
        yield Frame(np.zeros((1, 1, 3), np.uint8), 0, 0, 0)
        raise ValueError("rtsp://me:hunter2@cam")

    with pytest.raises(TransientError, match=r"unexpected ValueError in test_process.py:\d+$"):
        list(Newest(grab))


def test_the_password_is_on_no_command_line_and_in_no_environment(clip: Path) -> None:
    with RtspServer(clip, user="cam:hunter2") as server:
        address = server.address.replace("//", "//cam:hunter2@")
        with Watched(source(address)) as seen:
            seen.wait_for_frames(1)
            (child,) = camera_processes()
            for file in ("cmdline", "environ"):
                assert b"hunter2" not in Path(f"/proc/{child}/{file}").read_bytes()


def test_a_slow_reader_gets_new_frames_and_the_others_are_counted(camera: WebCamera) -> None:
    reading = source(f"{camera.address}/mjpeg")
    frames = iter(reading)
    next(frames)
    time.sleep(2)
    behind_s = time.monotonic() - next(frames).mono_s
    newer = next(frames)
    reading.stop()
    list(frames)
    assert behind_s < 1.5, "not what came two seconds ago"
    assert reading.dropped > 5
    assert newer.image.shape == (240, 320, 3)


def alive(pid: int) -> bool:
    """Neither gone nor a zombie that nobody reaps."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return re.search(r"\) Z", state) is None
