"""What outlasts a restart: pauses, and when stories ended."""

import json
import logging
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from edge.config import Config
from edge.daemon.memory import Memory, path_for
from edge.events import EventTracker, Rule, RuleBook
from edge.types import Detection, Frame

RUST = (Detection("rust", 0.9),)
NOTHING = (Detection("rust", 0.1),)


def frame(at_s: float) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), at_s, at_s, at_s)


def test_a_pause_is_on_the_disk_at_once_and_until_it_is_lifted(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/field.state.json"
    Memory(path).pause("cam", True)
    again = Memory(path)
    assert (again.paused("cam"), again.paused("gate")) == (True, False)
    again.pause("cam", False)
    assert not Memory(path).paused("cam")


def test_what_is_remembered_goes_with_a_device_that_gets_another_name(tmp_path: Path) -> None:
    old, new = tmp_path / "field.state.json", tmp_path / "meadow.state.json"
    before = Memory(old)
    before.pause("cam", True)
    before.ended("cam")["rust"] = time.monotonic()
    before.save()
    after = Memory(new)
    after.pause("gate", True)
    after.adopt(old)
    assert not old.exists()
    again = Memory(new)
    assert (again.paused("cam"), again.paused("gate")) == (True, True)
    assert again.ended("cam")["rust"] == pytest.approx(time.monotonic(), abs=5)


def test_the_same_rust_is_not_told_again_by_the_next_run(tmp_path: Path) -> None:
    rules = RuleBook({"rust": Rule(0.5, 0.4, confirm=1, release=1, cooldown_s=600.0)})
    path = tmp_path / "state.json"

    def tracker(memory: Memory) -> EventTracker:
        made = EventTracker(rules, count(1))
        made.rest(memory.ended("cam"))
        return made

    memory, now_s = Memory(path), time.monotonic()
    first = tracker(memory)
    told = [first.update(frame(now_s + at), seen) for at, seen in ((0, RUST), (1, NOTHING))]
    assert [event.kind for events in told for event in events] == ["start", "end"]
    reopened = tracker(memory)  # the camera was away
    assert reopened.update(frame(now_s + 11), RUST) == ()
    memory.step(time.monotonic())

    restarted = tracker(Memory(path))
    assert restarted.update(frame(now_s + 11), RUST) == ()
    assert [e.kind for e in restarted.update(frame(now_s + 605), RUST)] == ["start"]


def test_a_clock_that_was_set_back_makes_no_endless_cool_down(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    later = time.time() + 10 * 365 * 86400
    path.write_text(json.dumps({"paused": [], "ended": {"cam": {"rust": later}}}))
    assert Memory(path).ended("cam")["rust"] <= time.monotonic()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"paused": 5, "ended": {}}', b"\xff\xfe", b"[" * 100_000,
     b'{"paused": [], "ended": {"cam": 3}}', b'{"paused": [], "ended": {"cam": {"a": "x"}}}'],
)  # fmt: skip
def test_a_damaged_file_counts_as_none_and_is_written_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    memory = Memory(path)
    assert (memory.paused("cam"), memory.ended("cam")) == (False, {})
    assert "is not readable" in caplog.text
    memory.pause("cam", True)
    assert Memory(path).paused("cam")


def test_a_folder_that_takes_nothing_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    memory = Memory(tmp_path / "file/state.json")
    for number in range(3):
        memory.pause(f"cam{number}", True)
    assert memory.paused("cam1")
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


def test_nothing_is_written_where_nothing_is_to_be_remembered(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state.json")
    memory.ended("cam")
    memory.step(time.monotonic())
    memory.save()
    assert not (tmp_path / "state.json").exists()


def test_it_lies_beside_the_outbox_or_in_the_state_folder(tmp_path: Path, state: Path) -> None:
    config = Config.model_validate({"device": "field"})
    assert path_for(config) == state / "field.state.json"
    elsewhere = Config.model_validate({"device": "field", "outbox": {"folder": str(tmp_path)}})
    assert path_for(elsewhere) == tmp_path / "field.state.json"
