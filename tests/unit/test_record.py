"""Recorder: snapshots and clips of events, within their bounds."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.record import Kept, Recorder, SourceRecorder, draw
from edge.record.film import Shot
from edge.record.kept import INDEX
from edge.record.recorder import WAITING
from edge.scene import RecordConfig
from edge.types import Box, Event, Frame
from tests.conftest import need


def frame(at_s: float, grey: int = 60) -> Frame:
    return Frame(np.full((120, 160, 3), grey, np.uint8), at_s, 1000 + at_s, at_s)


def event(kind: str, at_s: float, story: int = 1) -> Event:
    return Event(
        kind=kind, story=story, label="person", score=0.9, unix_s=1000 + at_s,  # type: ignore[arg-type]
        started_unix_s=1000, duration_s=at_s, frames_seen=1, frames_agreeing=1,
        box=Box(0.25, 0.25, 0.75, 0.75),
    )  # fmt: skip


def play(config: RecordConfig, folder: Path, told: Mapping[int, tuple[Event, ...]]) -> list[Path]:
    """200 frames at 10 a second, each a little lighter, with events at some."""
    with Recorder(config, folder) as recorder:
        source = SourceRecorder(config, "yard", recorder)
        for number in range(200):
            source.take(frame(number / 10, number), told.get(number, ()))
        source.finish()
    return sorted(path for path in folder.glob("*/*") if path.is_file())


def test_a_snapshot_with_box_and_label_and_a_clip_with_its_pre_roll(tmp_path: Path) -> None:
    config = RecordConfig(snapshots=True, clips=True, pre_roll_s=2.0, post_roll_s=1.0, free_mb=0.0)
    told = {100: (event("start", 10),), 150: (event("end", 15),)}
    snapshot, clip = play(config, tmp_path, told)
    assert snapshot.name == "19700101T001650Z-1-person.jpg"
    assert clip.name == "19700101T001650Z-1-person.webm"
    picture = cv2.imread(str(snapshot))
    assert picture is not None and picture[30:90, 40:44, 1].max() > 150, "the box is drawn"
    film = cv2.VideoCapture(str(clip))
    shown = []
    while True:
        there, image = film.read()
        if not there:
            break
        shown.append(float(image.mean()))
    film.release()
    assert abs(len(shown) - (20 + 50 + 10 + 1)) <= 2
    assert abs(shown[0] - 80) < 8 and abs(shown[-1] - 160) < 8


def test_a_camera_that_changes_its_size_loses_no_frame_of_the_clip(tmp_path: Path) -> None:
    config = RecordConfig(clips=True, pre_roll_s=0.0, post_roll_s=0.0, free_mb=0.0)
    with Recorder(config, tmp_path) as recorder:
        source = SourceRecorder(config, "yard", recorder)
        for number in range(30):
            told = {0: "start", 29: "end"}.get(number)
            rows = 120 if number < 15 else 90
            image = np.full((rows, 160, 3), 200, np.uint8)
            seen = Frame(image, number / 10, 1000 + number / 10, number / 10)
            source.take(seen, (event(told, number / 10),) if told else ())
        source.finish()
    (clip,) = tmp_path.glob("*/*")
    film = cv2.VideoCapture(str(clip))
    means = []
    while (read := film.read())[0]:
        means.append(float(read[1].mean()))
    film.release()
    assert len(means) == 30
    assert means[-1] < 160 < means[0], "black above and below"


def test_two_overlapping_stories_are_one_clip(tmp_path: Path) -> None:
    config = RecordConfig(clips=True, free_mb=0.0)
    told = {
        50: (event("start", 5, 1),), 60: (event("start", 6, 2),),
        70: (event("end", 7, 1),), 90: (event("end", 9, 2),),
    }  # fmt: skip
    assert [path.suffix for path in play(config, tmp_path, told)] == [".webm"]


def test_off_means_nothing_is_written(tmp_path: Path) -> None:
    assert play(RecordConfig(), tmp_path, {50: (event("start", 5),)}) == []


class Running:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


def write(folder: Path, clock: Running, *names: str, days: float = 14.0, mb: float = 500) -> None:
    """One run of a recorder that writes these files, of 400 kB each."""
    config = RecordConfig(snapshots=True, keep_days=days, keep_mb=mb, free_mb=0.0)
    with Recorder(config, folder, clock) as recorder:
        for name in names:
            recorder.put(f"yard/{name}", bytes(400_000))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/*"))


DAY_S = 86400.0
FIRST, SECOND, THIRD = (f"2026060{n}T120000Z-{n}-person.jpg" for n in (1, 2, 3))


def test_the_oldest_go_by_days_that_the_daemon_ran(tmp_path: Path) -> None:
    clock = Running()
    write(tmp_path, clock, FIRST)
    clock.at_s += 15 * DAY_S  # switched off meanwhile
    config = RecordConfig(snapshots=True, keep_days=14.0, free_mb=0.0)
    with Recorder(config, tmp_path, clock) as recorder:
        recorder.put(f"yard/{SECOND}", bytes(10))
        wait((tmp_path / "yard" / SECOND).exists)
        assert names(tmp_path) == [FIRST, SECOND]
        clock.at_s += 15 * DAY_S
        recorder.put(f"yard/{THIRD}", bytes(10))
    assert names(tmp_path) == [THIRD]


def wait(there: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 5
    while not there() and time.monotonic() < until_s:
        time.sleep(0.01)


def test_the_oldest_go_by_megabytes(tmp_path: Path) -> None:
    clock = Running()
    write(tmp_path, clock, FIRST, SECOND)
    write(tmp_path, clock, THIRD, mb=1.0)
    assert names(tmp_path) == [SECOND, THIRD]


@pytest.mark.parametrize(
    "name",
    [
        "holiday/2019.jpg",
        "yard/old.jpg",
        "yard/notes.txt",
        "yard/20190601.jpg",
        "yard/2019/20190601T120000Z-1-person.jpg",
        "20190601T120000Z-1-person.jpg",
        "yard/20190601T120000Z-1-person.jpg.bak",
        "Yard/20190601T120000Z-1-person.jpg",
    ],
)
@pytest.mark.parametrize("indexed", [False, True])
def test_what_its_owner_keeps_in_the_folder_stays(tmp_path: Path, name: str, indexed: bool) -> None:
    theirs = tmp_path / name
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_bytes(b"x")
    os.utime(theirs, (0, 0))
    if indexed:  # whatever the index says
        entry = {"path": name, "bytes": 1, "ran_s": 0}
        (tmp_path / INDEX).write_text(f"{json.dumps(entry)}\n")
    write(tmp_path, Running(), FIRST, days=1e-9, mb=1e-9)
    write(tmp_path, Running(), SECOND, days=1e-9, mb=1e-9)
    assert theirs.read_bytes() == b"x"
    assert not {FIRST, SECOND} & set(names(tmp_path))


def test_a_recording_that_its_owner_put_there_or_changed_stays(tmp_path: Path) -> None:
    write(tmp_path, Running(), FIRST, SECOND)
    (tmp_path / "yard" / FIRST).write_bytes(b"cut by its owner")
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / SECOND).write_bytes(b"a copy")
    (tmp_path / "yard" / SECOND).unlink()
    (tmp_path / "yard" / SECOND).symlink_to(tmp_path / "best" / SECOND)
    write(tmp_path, Running(), THIRD, mb=1e-9)
    assert names(tmp_path) == [FIRST, SECOND, SECOND]
    assert (tmp_path / "best" / SECOND).read_bytes() == b"a copy"


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "yard").mkdir()
    (tmp_path / "yard" / FIRST).write_bytes(b"theirs")
    (tmp_path / INDEX).touch()
    write(tmp_path, Running(), FIRST)
    stem = FIRST.removesuffix(".jpg")
    assert names(tmp_path) == [f"{stem}-2.jpg", FIRST]
    assert (tmp_path / "yard" / FIRST).read_bytes() == b"theirs"


def test_recordings_from_before_there_was_an_index_count_as_new(tmp_path: Path) -> None:
    """Their age by the wall clock means nothing: it may be a month ahead today."""
    (tmp_path / "yard").mkdir()
    for name in (FIRST, SECOND):
        (tmp_path / "yard" / name).write_bytes(bytes(400_000))
        os.utime(tmp_path / "yard" / name, (0, 0))
    write(tmp_path, Running(), THIRD)
    assert names(tmp_path) == [FIRST, SECOND, THIRD]
    write(tmp_path, Running(), mb=0.5)
    assert names(tmp_path) == [THIRD]


@pytest.mark.parametrize(
    "damage", ["{", 'null\n[]\n{"bytes": "x"}\n', "\x00\xff", '{"ran_s": NaN}\n']
)
def test_a_damaged_index_is_read_as_far_as_it_goes(tmp_path: Path, damage: str) -> None:
    write(tmp_path, Running(), FIRST)
    with (tmp_path / INDEX).open("a") as index:
        index.write(damage)
    write(tmp_path, Running(), SECOND, mb=0.5)
    assert names(tmp_path) == [SECOND]


def test_what_a_power_cut_left_half_written_goes_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / "yard").mkdir()
    for name in (f".part-{FIRST}", ".part-mine.jpg"):
        (tmp_path / "yard" / name).write_bytes(b"half")
    write(tmp_path, Running())
    assert names(tmp_path) == [".part-mine.jpg"]


def test_the_index_stays_small(tmp_path: Path) -> None:
    kept = Kept(tmp_path, Running())
    for number in range(3000):
        kept.mark()
        if number % 30:
            continue
        kept.add(tmp_path / "yard" / f"20260601T120000Z-{number}-a.jpg", 1)
        kept.clean(1e9, 2)
    assert len((tmp_path / INDEX).read_text().splitlines()) < 1200


def test_a_clip_that_a_full_disk_cuts_is_said_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk of 256 kB, which the clip does not fit."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    need(subprocess.run(mount, capture_output=True, check=False).returncode == 0, "mount (root)")
    try:
        noise = np.random.default_rng(1).integers(0, 255, (20, 240, 320, 3), np.uint8)
        shots = [
            Shot(n / 10, cv2.imencode(".jpg", image)[1].tobytes()) for n, image in enumerate(noise)
        ]
        with Recorder(RecordConfig(clips=True, free_mb=0.0), disk) as recorder:
            recorder.put(f"yard/{FIRST.replace('jpg', 'webm')}", shots)
        assert recorder.dropped == 1
        assert names(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert "the disk took only a part of the clip" in caplog.text


@pytest.mark.parametrize("label", ["x" * 300, "木" * 300, "🐑" * 100, "a/b\n\x1b[2J", "..", ""])
def test_any_label_makes_a_name_that_a_file_can_have(tmp_path: Path, label: str) -> None:
    config = RecordConfig(snapshots=True, free_mb=0.0)
    (path,) = play(config, tmp_path, {50: (replace(event("start", 5), label=label),)})
    assert path.parent == tmp_path / "yard"
    Kept(tmp_path).clean(-1, 0)
    assert names(tmp_path) == []


def test_a_full_disk_is_left_alone(tmp_path: Path) -> None:
    config = RecordConfig(snapshots=True, free_mb=1e12)
    assert play(config, tmp_path, {50: (event("start", 5),)}) == []


def test_a_label_without_a_box_is_drawn_too() -> None:
    picture = frame(0).image
    drawn = draw(picture, event("start", 0))
    assert not np.array_equal(drawn, picture) and drawn.shape == picture.shape


def test_a_story_that_starts_after_another_ended_keeps_the_clip_open(tmp_path: Path) -> None:
    """Within the post-roll: the clip goes on to the end of the second one."""
    config = RecordConfig(clips=True, pre_roll_s=1.0, post_roll_s=2.0, free_mb=0.0)
    told = {
        50: (event("start", 5, 1),), 60: (event("end", 6, 1),),
        70: (event("start", 7, 2),), 120: (event("end", 12, 2),),
    }  # fmt: skip
    (clip,) = play(config, tmp_path, told)
    film = cv2.VideoCapture(str(clip))
    count = 0
    while film.read()[0]:
        count += 1
    film.release()
    assert abs(count - (10 + 70 + 20 + 1)) <= 2


def test_a_file_that_cannot_be_deleted_keeps_no_other_one(tmp_path: Path) -> None:
    """Its owner made it immutable."""
    write(tmp_path, Running(), FIRST, SECOND)
    path = str(tmp_path / "yard" / FIRST)
    locked = subprocess.run(["chattr", "+i", path], capture_output=True, check=False)
    need(locked.returncode == 0, "chattr (root)")
    kept = Kept(tmp_path)
    try:
        with pytest.raises(OSError, match="Operation not permitted"):
            kept.clean(-1, 0)
        assert names(tmp_path) == [FIRST]
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    kept.clean(-1, 0)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_said_once_and_every_file_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "media").touch()
    with Recorder(RecordConfig(snapshots=True, free_mb=0.0), tmp_path / "media") as recorder:
        for number in range(8):
            recorder.put(f"yard/{number}.jpg", b"1")
    assert recorder.dropped == 8
    said = [record.message for record in caplog.records]
    assert len(said) == len(set(said)) == 2, said


def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that nobody reads stands for a share that is gone: to open it never returns."""
    os.mkfifo(tmp_path / INDEX)
    monkeypatch.setattr("edge.record.recorder.FLUSH_S", 0.2)
    with Recorder(RecordConfig(snapshots=True, free_mb=0.0), tmp_path) as recorder:
        for number in range(WAITING + 1):
            recorder.put(f"yard/{number}.jpg", b"1")
    assert recorder.dropped == 1
    (tmp_path / INDEX).open("w").close()  # its thread may end
