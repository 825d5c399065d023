"""Whatever ends a command: no process, no scratch and no half file outlive it."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from converter import child, ours
from converter.scratch import MARK, PREFIX, lock_of, scratch_folder, sweep_folders
from converter.writing import write_all
from edge.errors import FatalError
from tests.benchmarks.process import descendants
from tests.benchmarks.signals import OUTPUTS, Trial

PARENT = """
import sys, time
from converter import child
process = child.start([*child.command("converter.child"), *sys.argv[1:]], None, None)
time.sleep(60)
"""
"""Has a child that has a child."""


def _until(met: Callable[[], object], limit_s: float = 10.0) -> bool:
    ends = time.monotonic() + limit_s
    while not met() and time.monotonic() < ends:
        time.sleep(0.02)
    return bool(met())


def _gone(processes: list[int]) -> bool:
    """Zombies are gone: whoever adopted them has not looked yet."""
    for process in processes:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return False
        except OSError:
            continue
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_children_and_theirs_end_with_their_parent(number: signal.Signals, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\ntrap '' TERM HUP\nsleep 60 &\nwait\n")
    program.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", PARENT, program]) as parent:
        assert _until(lambda: len(descendants(parent.pid)) == 3)  # with who watches
        family = descendants(parent.pid)
        parent.send_signal(number)
    assert _until(lambda: _gone(family), 2.0)


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nsleep 60 &\necho $!\n")
    program.chmod(0o755)
    ran = child.run([*child.command("converter.child"), str(program)], 20)
    assert ran.returncode == 0
    assert _until(lambda: _gone([int(ran.stdout)]), 2.0)


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    arguments = [*child.command("converter.child"), shutil.which("sleep") or "", "60"]
    before = set(descendants(os.getpid()))
    with pytest.raises(subprocess.TimeoutExpired):
        child.run(arguments, 0.3)
    assert not set(descendants(os.getpid())) - before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_conversion_that_is_ended(material: Path, tmp_path: Path, number: signal.Signals) -> None:
    for name in OUTPUTS:
        (tmp_path / name).write_bytes(b"")
    trial = Trial(material / "stripes.keras", material / "pictures", tmp_path)
    process = trial.start()
    assert _until(lambda: len(descendants(process.pid)) >= 2), process.poll()
    family, before = descendants(process.pid), trial.files()
    process.send_signal(number)
    assert process.wait(10) == (-9 if number == signal.SIGKILL else 143)
    assert _until(lambda: _gone(family), 2.0)
    assert trial.files() == before
    assert bool(list(trial.scratch.iterdir())) == (number == signal.SIGKILL)
    sweep_folders(trial.scratch)
    assert not list(trial.scratch.iterdir())


def test_only_ended_runs_folders_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    ended, theirs, empty = (tmp_path / f"{PREFIX}{name}" for name in ("ended", "notes", "empty"))
    for folder in (ended, theirs, empty):
        folder.mkdir()
    for file in (ended / MARK, ended / "pixels", theirs / "diary.txt"):
        file.write_text("x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / MARK).touch()
    (tmp_path / f"{PREFIX}link").symlink_to(outside)
    with scratch_folder() as first, scratch_folder() as second:
        assert first.is_dir() and second.is_dir()
        assert not ended.exists() and not empty.exists()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"{PREFIX}notes", f"{PREFIX}link", "outside"}
    assert (outside / MARK).exists()


def test_half_files_of_ended_runs_are_swept(tmp_path: Path) -> None:
    dead, living = (tmp_path / f".hedgerow-{digit * 16}.part" for digit in "ab")
    other = tmp_path / ".hedgerow-notes.part"
    for file in (dead, living, other):
        file.write_text("half")
    lock = lock_of(living, wait=True)
    ours.check_model(tmp_path / "m.tflite")
    os.close(lock)
    assert sorted(tmp_path.iterdir()) == [living, other]


@pytest.fixture
def earlier(tmp_path: Path) -> dict[Path, bytes]:
    """Three files of an earlier run."""
    files = {tmp_path / name: name.encode() for name in OUTPUTS}
    write_all(files)
    return files


def _now(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_full_disk_leaves_the_earlier_set(tmp_path: Path, earlier: dict[Path, bytes]) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    sizes = dict(zip(earlier, (10, 20, 2000), strict=True))
    try:
        with pytest.raises(FatalError, match=os.strerror(errno.EFBIG)):
            write_all({path: bytes(size) for path, size in sizes.items()})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, kept)
    assert _now(tmp_path) == earlier


def test_a_file_that_cannot_be_replaced_leaves_the_earlier_set(
    tmp_path: Path, earlier: dict[Path, bytes]
) -> None:
    model, report, page = earlier
    report.unlink()
    page.unlink()
    page.mkdir()
    with pytest.raises(FatalError, match="cannot be written"):
        write_all({model: b"new", report: b"new", page: b"new"})
    assert _now(tmp_path) == {model: earlier[model]}


def test_a_model_put_aside_comes_back_too(tmp_path: Path, earlier: dict[Path, bytes]) -> None:
    model, report, page = earlier
    page.unlink()
    page.mkdir()
    with pytest.raises(FatalError):
        write_all({report: b"new", page: b"new"}, aside=model)
    assert _now(tmp_path) == {model: earlier[model], report: earlier[report]}
    page.rmdir()
    write_all({report: b"new", page: b"new"}, aside=model)
    previous = model.with_name(f"{model.name}.previous")
    assert _now(tmp_path) == {previous: earlier[model], report: b"new", page: b"new"}


DEFERRING = """
import os, signal, sys
from pathlib import Path
from converter import interruption

interruption.handle()
interruption.remember("folder", Path(sys.argv[1]).rmdir)
with interruption.deferred():
    os.kill(os.getpid(), signal.SIGTERM)
    Path(sys.argv[2]).write_text("whole")
print("goes on")
"""


def test_a_signal_amid_the_renaming_waits_for_its_end(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    command = [sys.executable, "-c", DEFERRING, str(folder), str(file)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (143, "", "converter: interrupted\n")
    assert file.read_text() == "whole" and not folder.exists()


def test_nohup_stays_nohup(tmp_path: Path) -> None:
    code = "import signal; signal.signal(1, signal.SIG_IGN); from converter import interruption; "
    code += "interruption.handle(); signal.raise_signal(1); print('goes on')"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "goes on\n"


@pytest.mark.parametrize("name", ["x" * 248 + ".tflite", "ä" * 125 + ".tflite", "x" * 300])
def test_a_name_that_a_report_cannot_have_is_refused_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="choose a shorter name"):
        ours.check_conversion(tmp_path / name)


def test_only_regular_files_are_written(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.tflite", tmp_path / "link.tflite"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "elsewhere")
    for out in (pipe, link, Path("/dev/null")):
        for check in (ours.check_model, ours.check_conversion, ours.check_drawing):
            with pytest.raises(FatalError, match=r"not a regular file|not writable"):
                check(out)
