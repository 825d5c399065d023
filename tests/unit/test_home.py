"""A folder that lasts, for users who have a home and for those who have none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.home import default_device, state_dir
from tests.conftest import REPOSITORY, need

HOMELESS = """
import os, pwd
from edge.errors import FatalError
from edge.home import state_dir
from edge.scene import at_home
os.setgroups([]), os.setgid(12345), os.setuid(12345)
try:
    print(state_dir())
except FatalError as error:
    print(error)
try:
    at_home("~/x", "")
except ValueError as error:
    print(error)
"""
"""As in a container: `docker run --user 12345`."""


def homeless(temporary: Path) -> list[str]:
    need(os.getuid() == 0, "root")
    for folder in (*temporary.parents[:3], temporary):
        folder.chmod(0o777)
    hidden = ("HOME", "STATE_DIRECTORY")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS], capture_output=True, text=True, check=True, timeout=30,
        cwd=REPOSITORY, env=environment | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return [*done.stdout.splitlines(), done.stderr]


def test_without_a_home_it_is_a_folder_that_can_be_written(tmp_path: Path) -> None:
    folder, path, warning = homeless(tmp_path)
    assert folder == str(tmp_path / "hedgerow-12345")
    found = Path(folder).stat()
    assert (found.st_uid, found.st_mode & 0o777) == (12345, 0o700)
    assert path == "~ is not known here (no HOME): write the whole path"
    assert warning == "" or "outbox.folder" in warning


def test_without_a_home_nobody_elses_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "hedgerow-12345").mkdir(mode=0o777)
    said, *_ = homeless(tmp_path)
    assert "this user has no home" in said and "set outbox.folder" in said


def test_systemds_folder_goes_before_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")
    assert state_dir() == Path("/var/lib/a")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("HOME", "/home/me")
    assert state_dir() == Path("/home/me/.local/state/hedgerow")


def test_the_host_makes_a_name() -> None:
    assert 0 < len(default_device()) <= 64
