"""The feed as lines: on a disk that comes and goes, and on a terminal of any locale."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.config import FileConfig
from edge.feed.message import Message
from edge.feed.sinks import JsonFile


def test_a_file_whose_folder_vanished_loses_lines_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "stick"
    folder.mkdir()
    sink = JsonFile(FileConfig(path=folder / "e.jsonl", max_bytes=4096))
    line = Message("hedgerow/field/cam/event", "x" * 1000)
    sink.publish(line)
    shutil.rmtree(folder)
    for _ in range(8):
        sink.publish(line)
    assert (sink.status().lost, sink.status().reason) == (8, "No such file or directory")
    assert len(caplog.records) == 1
    folder.mkdir()
    sink.publish(line)
    sink.close()
    assert (folder / "e.jsonl").read_text() == "x" * 1000 + "\n"
    assert (sink.status().lost, sink.status().reason) == (8, "")
    assert "takes lines again; 8 are lost" in caplog.text


def test_a_file_on_a_full_disk_has_whole_lines_only(tmp_path: Path) -> None:
    """RLIMIT_FSIZE cuts a write as a full disk does."""
    path = tmp_path / "e.jsonl"
    sink = JsonFile(FileConfig(path=path))
    line = Message("hedgerow/field/cam/event", "x" * 999)
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, kept[1]))
    try:
        for _ in range(4):
            sink.publish(line)
        assert sink.status().lost == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    sink.publish(line)
    sink.close()
    assert path.read_text() == ("x" * 999 + "\n") * 3


def test_a_file_that_cannot_be_renamed_goes_on_growing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "e.jsonl"
    (tmp_path / "e.jsonl.1").mkdir()
    (tmp_path / "e.jsonl.2").mkdir()
    (tmp_path / "e.jsonl.2" / "somebody's").touch()
    sink = JsonFile(FileConfig(path=path, max_bytes=4096, keep=2))
    for _ in range(10):
        sink.publish(Message("hedgerow/field/cam/event", "x" * 1000))
    sink.close()
    assert path.stat().st_size == 10_010 and sink.status().lost == 0
    assert len(caplog.records) == 1


def test_lines_on_stdout_are_utf8_whatever_the_locale(tmp_path: Path) -> None:
    program = (
        "from edge.feed.sinks import JsonLines; from edge.feed.message import Message;"
        "JsonLines().publish(Message('hedgerow/d/cam/event', '早疫病 🍅'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False,
        env=os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert (done.stdout.decode(), done.returncode) == ("早疫病 🍅\n", 0), done.stderr
