"""Journal and clock: what a power cut, a full disk, damage and a clock that jumps leave behind."""

import json
import resource
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
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


def story(seq: int, name: str, kind: str, **more: object) -> Entry:
    body = json.dumps({"id": name, "event_type": kind, "n": seq})
    made = Entry(seq, "hedgerow/field/cam/event", body, kind != "update", False, 100.0 + seq, 0.0)
    return replace(made, story=name, ends=kind == "end", **more)  # type: ignore[arg-type]


def test_a_trim_that_fails_counts_nothing(tmp_path: Path) -> None:
    book = Journal(tmp_path / "field.outbox", OutboxConfig(max_bytes=65_536))
    for seq in range(1, 80):
        book.append([entry(seq, size=1000)])
    counted = book.bytes
    book._db.execute(
        "CREATE TRIGGER full BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    for _ in range(3):
        with pytest.raises(sqlite3.Error, match="full"):
            book.trim()
    assert (book.bytes, book.dropped) == (counted, 0)
    book._db.execute("DROP TRIGGER full")
    assert book.trim() == book.dropped > 0
    assert book.bytes == sum(len(e.topic) + len(e.payload) + 64 for e in book.between(0, 99, 99))
    book.close()


def test_stories_that_a_kill_left_open_are_known(tmp_path: Path) -> None:
    book = Journal(tmp_path / "field.outbox", LIMITS)
    book.append([story(1, "a", "start"), story(2, "b", "start"), story(3, "a", "update")])
    book.append([story(4, "b", "end"), story(5, "c", "start")])
    book.stories.alive(130.0)
    book.abandon()
    again = Journal(tmp_path / "field.outbox", LIMITS)
    left = [(one.latest.story, json.loads(one.latest.payload)["n"]) for one in again.left]
    assert left == [("a", 3), ("c", 5)]
    assert [one.idle_s for one in again.left] == [27.0, 25.0]
    again.append([story(6, "a", "end"), story(7, "c", "end")])
    again.abandon()
    assert Journal(tmp_path / "field.outbox", LIMITS).left == []


def test_a_story_stays_known_when_its_events_make_room(tmp_path: Path) -> None:
    book = Journal(tmp_path / "field.outbox", OutboxConfig(max_bytes=65_536))
    book.append([story(1, "a", "start")])
    for seq in range(2, 80):
        book.append([entry(seq, size=1000)])
    book.delivered = 79
    book.trim()
    assert book.count(0, 1) == 0
    book.abandon()
    again = Journal(tmp_path / "field.outbox", LIMITS)
    assert [one.latest.story for one in again.left] == ["a"]
    again.close()


OLD = """
CREATE TABLE journal(
    seq INTEGER PRIMARY KEY, boot INTEGER NOT NULL, mono_s REAL NOT NULL, offset_s REAL NOT NULL,
    correctable INTEGER NOT NULL, urgent INTEGER NOT NULL, age_s REAL NOT NULL,
    delivered INTEGER NOT NULL, written INTEGER NOT NULL,
    topic TEXT NOT NULL, payload TEXT NOT NULL);
CREATE TABLE boots(boot INTEGER PRIMARY KEY, kernel TEXT UNIQUE NOT NULL, offset_s REAL);
CREATE TABLE totals(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO boots(kernel, offset_s) VALUES ('some boot', 5000.0);
PRAGMA user_version=1;
"""
"""What Hedgerow wrote before it kept the open stories."""


def test_a_journal_from_before_keeps_what_waits_and_gives_its_open_stories(tmp_path: Path) -> None:
    path = tmp_path / "field.outbox"
    old = sqlite3.connect(path)
    old.executescript("PRAGMA journal_mode=WAL;" + OLD)
    told = [("a", "start"), ("b", "start"), ("a", "update"), ("b", "end"), ("", "")]
    for seq, (name, kind) in enumerate(told, 1):
        body = json.dumps({"id": name, "event_type": kind}) if name else "no json"
        row = (seq, 1, 10.0 * seq, 0.0, 1, 1, 0.0, 2, 100 * seq, "hedgerow/field/cam/event", body)
        old.execute("INSERT INTO journal VALUES (?,?,?,?,?,?,?,?,?,?,?)", row)
    old.commit()
    old.close()
    book = Journal(path, LIMITS)
    assert (book.last_seq, book.delivered, book.count(2)) == (5, 2, 3)
    (left,) = book.left
    assert (left.latest.story, left.latest.shift_s, left.latest.correctable) == ("a", 5000.0, False)
    book.append([replace(left.latest, seq=6, ends=True)])
    book.close()
    again = Journal(path, LIMITS)
    assert (again.left, again.last_seq) == ([], 6)
    again.close()


def test_a_journal_is_opened_without_a_write(tmp_path: Path) -> None:
    """A full disk must not hide what waits, nor the number that comes next."""
    path = tmp_path / "field.outbox"
    book = Journal(path, LIMITS)
    book.append([entry(1), entry(2)])
    book.close()
    with sqlite3.connect(path) as db:  # the last run was before a reboot
        db.execute("UPDATE boots SET kernel = 'an earlier one'")
    db.close()
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, kept[1]))
    try:
        again, reason = open_journal(path, LIMITS)
        assert (reason, again.last_seq) == ("", 2)
        with pytest.raises(sqlite3.Error):
            again.append([entry(3)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    again.append([entry(3)])
    assert again.between(2, 3, 1)[0].shift_s == 0
    again.close()


def test_a_journal_takes_over_what_another_holds(book: Journal, tmp_path: Path) -> None:
    memory = Journal(None, LIMITS)
    memory.append([story(1, "a", "start"), story(2, "b", "start", correctable=True)])
    memory.append([story(3, "a", "end")])
    memory.clock_is_set(500.0)
    memory.delivered = 1
    book.take_over(memory)
    assert (book.last_seq, book.delivered, book.bytes) == (3, 1, memory.bytes)
    assert [(e.seq, e.shift_s) for e in book.between(0, 9, 9)] == [(1, 0), (2, 500.0), (3, 0)]
    book.abandon()
    again = Journal(book.path, LIMITS)
    assert (again.last_seq, again.delivered) == (3, 1)
    assert [one.latest.story for one in again.left] == ["b"]
    again.close()


def test_what_waits_in_a_file_comes_before_what_was_in_memory(book: Journal) -> None:
    book.append([entry(1), entry(2)])
    memory = Journal(None, LIMITS)
    memory.append([entry(1000), entry(1001)])
    memory.delivered = 1001
    book.take_over(memory)
    assert (book.delivered, [e.seq for e in book.between(0, 2000, 9)]) == (0, [1, 2, 1000, 1001])


def test_an_end_that_a_later_run_tells_says_what_is_known() -> None:
    told = payloads.EventPayload(
        event_type="update", id="a-b-1", seq=7, boot_id="b", device="a", source="cam", label="x",
        score=0.5, box=None, track=None, zones=("gate",), time="2026-01-01T00:00:20.000Z",
        clock=payloads.Clock(synced=True, virtual=False), started="2026-01-01T00:00:10.000Z",
        duration_s=10, frames_seen=3, frames_agreeing=3, replayed=False, change="crossed",
        place="line", direction="forward",
        model=payloads.ModelRef(name="m", version="1", sha256="0", delegate="cpu"),
    )  # fmt: skip
    end = ended(told)
    assert (end.event_type, end.change, end.place, end.direction) == ("end", "lost", None, None)
    assert (end.id, end.boot_id, end.replayed) == ("a-b-1", "c", True)
    assert (end.time, end.duration_s) == ("2026-01-01T00:00:50.500Z", 40.5)
    film = told.model_copy(update={"clock": payloads.Clock(synced=False, virtual=True)})
    end = ended(film)
    assert (end.time, end.duration_s) == (film.time, film.duration_s)
    with pytest.raises(KeyError):
        payloads.ended_later("{}", "c", 1.0, 0.0)


def ended(told: payloads.EventPayload) -> payloads.EventPayload:
    """Through JSON, as the feed does it."""
    end = payloads.ended_later(told.to_json(), "c", 30.5, 0.0)
    return payloads.EventPayload.model_validate_json(json.dumps(end))


def test_a_commit_that_returned_is_on_the_disk(book: Journal) -> None:
    """SQLite's synchronous=FULL is 2: what a power cut leaves was measured with it."""
    assert book._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert book._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_room_is_made_rarely_and_no_more_than_needed(tmp_path: Path) -> None:
    book = Journal(tmp_path / "field.outbox", OutboxConfig(max_bytes=65_536))
    for seq in range(1, 80):
        book.append([entry(seq, size=1000)])
    book.trim()
    assert 0.8 * 65_536 <= book.bytes <= 0.9 * 65_536
    book.close()


def test_without_a_home_the_reason_names_the_key_to_set() -> None:
    book, reason = open_journal(None, LIMITS)
    assert "outbox.folder" in reason and "\n" not in reason
    book.close()
