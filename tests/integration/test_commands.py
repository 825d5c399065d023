"""watch, capture and demo, as a user types them."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edge.cli import cli
from edge.errors import TransientError
from tests.conftest import Edge, Mosquitto, edge_command, need


def test_watch_prints_a_line_per_event(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path
) -> None:
    command = edge_command("watch", "--broker", mosquitto.address, "--timeout", "3")
    watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    run_video(edge, mosquitto, vww, testdata)
    lines = watch.communicate(timeout=30)[0].splitlines()
    assert watch.returncode == 0
    events = [line for line in lines if " person " in line]
    assert "field/door  start person" in events[0]
    assert "field/door  end person" in events[1]
    assert lines[-1].split() == ["field", "offline"]


def test_watch_on_a_terminal_shows_the_live_state_in_colour(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path
) -> None:
    ours, theirs = pty.openpty()
    command = edge_command("watch", "--broker", mosquitto.address, "--timeout", "3")
    watch = subprocess.Popen(command, stdout=theirs, stderr=theirs)
    os.close(theirs)
    run_video(edge, mosquitto, vww, testdata)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    assert watch.wait(timeout=30) == 0
    text = shown.decode()
    assert "\x1b[32m\x1b[1mfield/door: person\x1b[0m" in text
    assert "\x1b[32mstart\x1b[0m person" in text
    assert "field/door: nothing" in text


def test_watch_gives_json_lines(
    edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path
) -> None:
    run_video(edge, mosquitto, vww, testdata)
    done = edge("watch", "--broker", mosquitto.address, "--json", "--timeout", "0.5")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = {(r["source"], r["kind"]) for r in records}
    assert kinds == {
        ("", "availability"),
        ("", "status"),
        ("door", "availability"),
        ("door", "state"),
    }
    assert all(r["retained"] for r in records), "nothing runs any more: only what is retained"


def run_video(edge: Edge, mosquitto: Mosquitto, vww: Path, testdata: Path) -> None:
    done = edge(
        "run", "--source", f"door=file:{testdata}/videos/one-by-one-person-detection.mp4",
        "--model", vww, "--broker", mosquitto.address, "--device", "field",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("demo_photographs")
def test_capture_fills_a_folder(edge: Edge, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    arguments = ("--source", "demo:?fps=0", "--out", out, "--count", "20", "--every", "9")
    done = edge("capture", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"20 pictures in {out}\n"
    assert len(list(out.glob("*.jpg"))) == 20


@pytest.mark.usefixtures("demo_photographs")
def test_a_second_capture_goes_on_with_the_numbers(tmp_path: Path) -> None:
    """Pictures that are in the folder stay, whoever made them."""
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    for folder in (pictures, out):
        folder.mkdir()
    for grey in (10, 20, 30):
        cv2.imwrite(str(pictures / f"{grey}.png"), np.full((8, 8, 3), grey, np.uint8))
    (out / "00002.png").write_bytes(b"mine")
    (out / "00004.jpg").symlink_to("nowhere")
    capture = ["capture", "--source", f"dir:{pictures}", "--out", str(out)]
    for more in (["--count", "2"], ["--every", "2"], []):
        done = CliRunner().invoke(cli, [*capture, *more])
        assert done.exit_code == 0, done.exception
    numbers = [5, 6, 7, 8, 9, 10, 11]
    assert sorted(path.name for path in out.iterdir()) == [
        "00002.png", "00004.jpg", *(f"{n:05d}.jpg" for n in numbers)
    ]  # fmt: skip
    seen = [int(cv2.imread(str(out / f"{n:05d}.jpg"))[0, 0, 0]) for n in numbers]  # type: ignore[index]
    assert seen == [10, 20, 10, 30, 10, 20, 30]
    assert (out / "00002.png").read_bytes() == b"mine"


def test_capture_leaves_no_half_picture_on_a_full_disk(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    need(subprocess.run(mount, capture_output=True, check=False).returncode == 0, "mount (root)")
    try:
        done = CliRunner().invoke(
            cli, ["capture", "--source", "demo:?fps=0", "--out", str(tmp_path)]
        )
        sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert isinstance(done.exception, TransientError)
    assert "cannot be written: No space left on device" in str(done.exception)
    assert all(size > 5_000 for size in sizes)


def test_demo_shows_the_whole_path(edge: Edge, vww: Path) -> None:
    done = edge("demo", "--model", vww)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    start = next(n for n, line in enumerate(lines) if "start person" in line)
    assert any("the camera sees astronaut.png" in line for line in lines[:start])
    assert not any("the camera sees rocket.jpg" in line for line in lines[:start])
    assert any("events" in line and "start person, end person" in line for line in lines)
    for row in ("frames ", "labels ", "frame to label", "frame to feed", "model ", "report "):
        assert any(line.startswith(row) for line in lines), row


def test_demo_with_a_wrong_model_says_why(edge: Edge) -> None:
    done = edge("demo", "--model", "none.tflite")
    assert done.returncode == 78
    assert done.stderr == "edge: error: none.tflite: there is no such model file\n"


def test_the_device_never_imports_tensorflow() -> None:
    code = (
        "import sys, pkgutil, importlib, edge\n"
        "for module in pkgutil.walk_packages(edge.__path__, 'edge.'):\n"
        "    if module.name != 'edge.__main__': importlib.import_module(module.name)\n"
        "heavy = {'tensorflow', 'keras', 'converter', 'skimage', 'amqtt'}\n"
        "assert not heavy & set(sys.modules)\n"
        "assert 'edge.runtime.litert' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_running_daemon_never_imports_tensorflow(vww: Path, testdata: Path) -> None:
    code = (
        "import sys\n"
        "from edge.cli import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'converter'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    arguments = ["run", "--source", f"dir:{testdata}/images/tflm", "--model", str(vww), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_bench_compares_the_pipeline_with_the_bare_interpreter(edge: Edge, vww: Path) -> None:
    done = edge("bench", "--model", vww, "--seconds", "1.2", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["delegate"] == "cpu" and result["frames"] > 10
    assert 0.1 < result["throughput_ratio"] < 3
    for figures in (result["bare_invoke_ms"], *result["latency_ms"].values()):
        assert figures["p50"] <= figures["p95"] <= figures["p99"]
    assert result["cpu_ms_per_frame"] > 0 and result["resident_mib"] > 20


def test_bench_shows_a_table_for_a_recording(edge: Edge, vww: Path, testdata: Path) -> None:
    video = testdata / "videos/yes.mkv"
    done = edge("bench", "--model", vww, "--seconds", "1", "--source", f"file:{video}")
    assert done.returncode == 0, done.stderr
    for row in ("bare invoke", "frame to label", "preprocess", "infer", "CPU per frame"):
        assert row in done.stdout


def test_doctor_says_what_a_model_can_run_on(
    edge: Edge, vww: Path, delegate: Callable[..., str]
) -> None:
    right, wrong, crash = delegate(), delegate(mode="wrong"), delegate(mode="crash")
    asked = [f"--delegate={name}" for name in (right, wrong, crash, "external:/no/lib.so")]
    done = edge("doctor", "--model", vww, *asked)
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    said = {what: (level, text) for level, what, text in lines}
    assert said["interpreter"][1].startswith("ai-edge-litert")
    assert said["cpu"][0] == "ok" and said["cpu"][1].startswith("right: agrees with the CPU; ")
    assert said[right][0] == "ok"
    assert said[wrong][0] == "warning" and "its answers differ from the CPU's" in said[wrong][1]
    assert said[crash] == ("warning", "refused: its process ended with SIGSEGV")
    assert said["external:/no/lib.so"] == ("warning", "not found: there is no /no/lib.so")
    assert said["edgetpu"][0] == "-" and "libedgetpu" in said["edgetpu"][1]


def test_doctor_without_a_model_lists_what_is_there(edge: Edge) -> None:
    done = edge("doctor")
    assert done.returncode == 0
    assert "ok       cpu          found" in done.stdout
