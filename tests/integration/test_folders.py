"""`edge run` on folders as people have them, and on shares that come and go."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Edge, edge_command


@pytest.fixture
def picture(testdata: Path) -> Path:
    return testdata / "images/tflm/person.bmp"


def observations(lines: Iterator[str], source: str) -> Iterator[dict[str, Any]]:
    for line in lines:
        said = json.loads(line)
        if said["source"] == source and "detections" in said:
            yield said


@pytest.mark.usefixtures("demo_photographs")
def test_a_share_that_is_not_mounted_costs_no_other_source(
    vww: Path, tmp_path: Path, picture: Path
) -> None:
    """It comes, fills, goes and comes again, beside a camera that goes on."""
    share = tmp_path / "mnt/cam"
    daemon = subprocess.Popen(
        edge_command(
            "run", "--source", f"ftp=dir:{share}?watch", "--source", "yard=demo:?fps=5",
            "--model", vww, "--json",
        ),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert daemon.stdout is not None
    lines = iter(daemon.stdout)
    try:
        next(observations(lines, "yard"))
        for number in range(2):
            share.mkdir(parents=True)
            for version in range(40):  # until it is seen that the share is there
                shutil.copy(picture, share / "latest.bmp")
                said = json.loads(next(lines))
                if said["source"] == "ftp" and "detections" in said:
                    assert said["origin"] == "latest.bmp"
                    break
                assert version < 39, f"nothing from the share, time {number}"
            shutil.rmtree(tmp_path / "mnt")
        next(observations(lines, "yard"))
    finally:
        daemon.send_signal(signal.SIGTERM)
        _, errors = daemon.communicate(timeout=20)
    assert daemon.returncode == 0, errors
    assert f"source ftp: dir:{share}: there is no such folder; is it mounted?" in errors


def test_names_links_and_kinds(edge: Edge, vww: Path, tmp_path: Path, picture: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / ".thumbs").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("caf\udce9.bmp", ".thumbs/x.bmp", "a.JPG", "../elsewhere/b.bmp"):
        shutil.copy(picture, folder / name)
    (folder / "x.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "more").symlink_to("../elsewhere")
    (folder / "circle").symlink_to(".")
    done = edge("run", "--source", f"dir:{folder}", "--model", vww, "--json")
    assert done.returncode == 0, done.stderr
    origins = [json.loads(line)["origin"] for line in done.stdout.splitlines()]
    assert origins == ["a.JPG", "caf?.bmp", "more/b.bmp"]
    assert "3 frames, 1 skipped" in done.stderr
    assert "3 of 6 files are left out" in done.stderr
