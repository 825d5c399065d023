"""Journal and clock: what a power cut, a full disk, damage and a clock that jumps leave behind."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config import OutboxConfig
from edge.errors import FatalError
from edge.feed import journal_file, payloads
from edge.feed.entry import Entry
from edge.feed.journal import Journal
from edge.feed.journal_file import open_journal

LIMITS = OutboxConfig()


def entry(seq: int, urgent: bool = True, correctable: bool = False, size: int = 10) -> Entry:
    return Entry(seq, "hedgerow/field/cam/event", "x" * size, urgent, correctable, 100.0, 1000.0)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "field.outbox", LIMITS)
    yield made
    made.close()


def test_what_was_appended_is_there_again_with_what_was_delivered(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "field.outbox"
    book = Journal(path, LIMITS)
    book.append([entry(1), entry(2)])
    book.delivered = 1
    book.append([entry(3)])
    book.delivered = 2
    book.abandon()  # as a kill would: the delivery of 2 was not noted yet
    again = Journal(path, LIMITS)
    assert (again.last_seq, again.delivered) == (3, 1)
    assert [e.seq for e in again.between(1, 3, 10)] == [2, 3]
    again.delivered = 3
    again.close()
    last = Journal(path, LIMITS)
    assert (last.delivered, last.count(last.delivered)) == (3, 0)
    last.close()


def test_room_is_made_by_delivered_entries_then_updates_then_the_oldest(tmp_path: Path) -> None:
    book = Journal(tmp_path / "field.outbox", OutboxConfig(max_bytes=65_536))
    for seq in range(1, 41):
        book.append([entry(seq, urgent=seq % 2 == 0, size=1000)])
    book.delivered = 10
    assert book.trim() == 0
    for seq in range(41, 60):
        book.append([entry(seq, urgent=seq % 2 == 0, size=1000)])
    assert book.trim() == 0, "what was delivered made room enough"
    for seq in range(60, 80):
        book.append([entry(seq, urgent=seq % 2 == 0, size=1000)])
    lost = book.trim()
    left = [e.seq for e in book.between(0, 99, 99)]
    assert lost == book.dropped > 0
    assert book.bytes <= 65_536
    gone = set(range(11, 80)) - set(left)
    assert len(gone) == lost
    assert all(seq % 2 for seq in gone), "only updates"
    assert 79 in left
    book.close()
    again = Journal(tmp_path / "field.outbox", LIMITS)
    assert (again.dropped, again.bytes) == (lost, book.bytes)
    again.close()


def test_the_newest_entry_stays_however_small_the_room(tmp_path: Path) -> None:
    book = Journal(tmp_path / "field.outbox", OutboxConfig(max_bytes=65_536))
    book.append([entry(seq, size=70_000) for seq in (1, 2)])
    assert book.trim() == 1
    assert [e.seq for e in book.between(0, 9, 9)] == [2]
    book.close()


def test_old_entries_go_by_hours_of_running_not_by_the_clock(tmp_path: Path) -> None:
    book = Journal(tmp_path / "field.outbox", OutboxConfig(max_days=1e-9))
    book.append([entry(1)])
    book.append([entry(2)])
    assert book.trim() == 1
    assert [e.seq for e in book.between(0, 9, 9)] == [2]
    book.close()


def test_times_from_before_the_clock_was_set_are_corrected(book: Journal) -> None:
    book.append([entry(1), entry(2, correctable=True), entry(3, correctable=True)])
    assert book.clock_is_set(1000.0 + 1e9) == 2
    assert [e.shift_s for e in book.between(0, 3, 3)] == [0, 1e9, 1e9]
    assert book.clock_is_set(1000.1 + 1e9) == 0, "slewed only: nothing new"


def test_an_event_told_again_has_its_times_moved_and_says_so() -> None:
    told = payloads.EventPayload(
        event_type="end", id="a-b-1", seq=7, boot_id="b", device="a", source="cam", label="x",
        score=0.5, box=None, track=None, zones=(), time="1970-01-01T00:00:20.000Z",
        clock=payloads.Clock(synced=False, virtual=False), started="1970-01-01T00:00:10.000Z",
        duration_s=10, frames_seen=3, frames_agreeing=3, replayed=False,
        model=payloads.ModelRef(name="m", version="1", sha256="0", delegate="cpu"),
    )  # fmt: skip
    again = json.loads(payloads.told_again(told.to_json(), True, 1_700_000_000.5))
    assert again["time"] == "2023-11-14T22:13:40.500Z"
    assert again["started"] == "2023-11-14T22:13:30.500Z"
    assert again["clock"] == {"synced": True, "virtual": False, "corrected": True}
    assert (again["replayed"], again["seq"], again["id"]) == (True, 7, "a-b-1")


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "field.outbox"
    path.write_bytes(b"no database at all" * 1000)
    book, reason = open_journal(path, LIMITS)
    assert reason == ""
    assert book.last_seq == 0
    assert path.with_suffix(".damaged").read_bytes().startswith(b"no database")
    book.close()


def test_a_second_daemon_on_the_same_journal_is_refused(book: Journal) -> None:
    book.append([entry(1)])
    with pytest.raises(FatalError, match="another daemon holds this outbox"):
        open_journal(book.path, LIMITS)


def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "field.outbox"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(FatalError, match="newer Hedgerow"):
        open_journal(path, LIMITS)


def test_where_the_journal_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = OutboxConfig(folder=tmp_path / "chosen")
    assert journal_file.default_path(chosen, "field") == tmp_path / "chosen/field.outbox"
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/hedgerow:/var/lib/other")
    assert journal_file.default_path(LIMITS, "field") == Path("/var/lib/hedgerow/field.outbox")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("HOME", "/x")
    own = Path("/x/.local/state/hedgerow/field.outbox")
    assert journal_file.default_path(LIMITS, "field") == own
