"""`edge run` on a delegate that fails: the feed says so, and labels go on."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.feed.payloads import StatusPayload
from edge.feed.reader import Reader
from tests.conftest import Mosquitto, edge_command
from tests.integration.test_run import read


def status(reader: Reader, loaded: str) -> dict[str, Any]:
    """The first status that names this delegate."""
    for received in reader.messages(20):
        if received.kind == "status":
            payload = json.loads(received.payload)
            if payload["delegates"]["loaded"] == loaded:
                StatusPayload.model_validate(payload)
                return dict(payload)
    raise AssertionError(f"no status with {loaded}")


@pytest.mark.usefixtures("demo_photographs")
def test_a_failing_delegate_is_replaced_published_and_comes_back(
    mosquitto: Mosquitto, vww: Path, delegate: Callable[..., str], tmp_path: Path
) -> None:
    trigger = tmp_path / "now"
    name = delegate(mode="fail", switch=trigger)
    config = tmp_path / "edge.toml"
    config.write_text(
        f"[runtime]\ndelegates = ['{name}', 'cpu']\nretry_s = 0.5\n"
        f"state_dir = '{tmp_path / 'state'}'\n[feed]\nstatus_interval_s = 60.0\n"
    )
    daemon = subprocess.Popen(
        edge_command(
            "run", "--config", config, "--source", "cam=demo:", "--model", vww,
            "--broker", mosquitto.address, "--device", "field",
        ),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        with read(mosquitto) as reader:
            assert status(reader, name)["delegates"]["refused"] == {}
            trigger.touch()
            replaced = status(reader, "cpu")
            assert "failed while running: " in replaced["delegates"]["refused"][name]
            assert replaced["model"]["delegate"] == "cpu"
            trigger.unlink()
            assert status(reader, name)["delegates"]["refused"] == {}
    finally:
        daemon.terminate()
        _, errors = daemon.communicate(timeout=10)
    assert daemon.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.usefixtures("demo_photographs")
def test_where_nothing_infers_any_more_no_source_is_blamed_and_the_daemon_is_started_again(
    mosquitto: Mosquitto, vww: Path, delegate: Callable[..., str], tmp_path: Path
) -> None:
    trigger, config = tmp_path / "now", tmp_path / "edge.toml"
    name = delegate(mode="fail", switch=trigger)
    config.write_text(f"[runtime]\ndelegates = ['{name}']\n")
    daemon = subprocess.Popen(
        edge_command(
            "run", "--config", config, "--source", "cam=demo:", "--model", vww,
            "--broker", mosquitto.address, "--device", "field",
        ),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with read(mosquitto) as reader:
        status(reader, name)
        trigger.touch()
        _, errors = daemon.communicate(timeout=20)
    assert daemon.returncode == 1, "systemd tries again"
    assert "no delegate runs this model" in errors.splitlines()[-1]
    assert "trying again every few seconds" not in errors
