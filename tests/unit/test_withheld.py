"""Files that a user may not use are named, with what to do; what the service holds is right."""

import codecs
import os
import pwd
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge import model, toml_file
from edge.cli import as_service
from edge.config import MqttConfig, OutboxConfig
from edge.daemon.checkup import writable
from edge.daemon.service import Service
from edge.errors import FatalError
from edge.feed.access import password
from edge.feed.journal_file import open_journal
from edge.feed.store import Store
from edge.files import withheld
from tests.conftest import need

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter."""
    need(os.getuid() == 0, "root, to be somebody else for a moment,")
    codecs.lookup("ascii")  # the interpreter itself may lie in root's own folder
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def nobody() -> Iterator[None]:
    """Somebody who owns nothing."""
    os.seteuid(NOBODY.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def of_root(path: Path) -> Path:
    path.write_text("x")
    path.chmod(0o600)
    return path


def test_who_may_not_read_a_file_is_told_whose_it_is_and_what_to_type(folder: Path) -> None:
    path = of_root(folder / "edge.toml")
    assert withheld(path) == ""
    with nobody():
        assert withheld(path) == (
            "it belongs to root, and nobody may not read it: "
            f"sudo chgrp nobody {path} && sudo chmod g+r {path}"
        )
        assert withheld(path, write=True).endswith(f"sudo chown nobody: {path}")
        assert withheld(folder / "missing") == ""
    path.chmod(0o644)
    with nobody():
        assert withheld(path) == ""
    folder.chmod(0o700)
    with nobody():
        assert withheld(path) == f"nobody may not enter {folder}: move the file elsewhere"


def test_configuration_model_and_password_of_root_are_named(folder: Path) -> None:
    path = of_root(folder / "file")
    for read in (
        toml_file.read,
        model.load,
        lambda where: password(MqttConfig(username="me", password_file=where)),
    ):
        with nobody(), pytest.raises(FatalError, match=r"belongs to root.*sudo chgrp") as caught:
            read(path)
        assert caught.value.exit_status == 78
        assert str(path) in str(caught.value)


def test_a_credential_that_the_service_may_not_reach_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert password(MqttConfig(username="me")) is None, "systemd handed none over"
    of_root(folder / "mqtt-password")
    for mode, why in ((0o755, "belongs to root"), (0o700, "nobody may not enter")):
        folder.chmod(mode)
        with nobody(), pytest.raises(FatalError, match=f"mqtt-password: .*{why}"):
            password(MqttConfig(username="me"))


@pytest.mark.parametrize("which", ["", "-wal"])
def test_an_outbox_of_root_is_named_and_used_once_it_is_given_back(
    folder: Path, which: str
) -> None:
    """As `sudo edge run` leaves it in the service's folder."""
    os.chown(folder, NOBODY.pw_uid, -1)
    path = folder / "farm.outbox"
    with nobody():
        open_journal(path, OutboxConfig())[0].close()
    wrong = Path(f"{path}{which}")
    wrong.touch()
    os.chown(wrong, 0, 0)
    wrong.chmod(0o600)
    with nobody():
        store = Store(path, OutboxConfig())
        assert f"{wrong}: it belongs to root" in store.reason
        assert store.reason.endswith(f"sudo chown nobody: {wrong}")
        assert store.in_memory
        (found,) = writable(folder, service=False)
        assert found.level == "error"
        assert f"sudo chown nobody: {wrong}" in found.text
    os.chown(wrong, NOBODY.pw_uid, -1)
    with nobody():
        assert store.retry()
        assert (store.reason, store.in_memory) == ("", False)
        assert list(writable(folder, service=False)) == []
        store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM journal").fetchone() == (0,)
    db.close()


def test_a_folder_of_somebody_else_is_an_error(folder: Path) -> None:
    with nobody():
        (found,) = writable(folder / "not/yet", service=False)
    assert found.level == "error"
    assert f"sudo chown nobody: {folder}" in found.text
    assert "events would be lost" in found.text


def test_somebody_who_is_not_the_service_looks_at_the_services_folder(folder: Path) -> None:
    folder.chmod(0o700)
    with nobody():
        (found,) = writable(folder, service=True)
    assert (found.level, found.text) == ("-", f"of {folder}: only root can look: sudo edge doctor")


def test_who_asks_about_another_file_is_not_the_service(folder: Path) -> None:
    assert as_service.status_of(("check",), folder / "edge.toml") is None
    assert as_service.status_of(("check",), None) is None


def test_what_the_service_holds_is_known_from_its_status_line() -> None:
    service = Service("barn 9.8 frames/s; yard offline: in use; broker connected")
    assert service.reads("barn") == "9.8 frames/s"
    assert service.reads("yard") == ""
    assert service.reads("arn") == ""
    assert service.first_delegate
    assert not Service("barn 9.8 frames/s; on cpu instead of edgetpu").first_delegate
    assert not Service().first_delegate
