"""Recorder: snapshots and clips of events, within their bounds."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from edge.record import Recorder, SourceRecorder, draw
from edge.scene import RecordConfig
from edge.types import Box, Event, Frame


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
    return sorted(folder.glob("*/*"))


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


def test_two_overlapping_stories_are_one_clip(tmp_path: Path) -> None:
    config = RecordConfig(clips=True, free_mb=0.0)
    told = {
        50: (event("start", 5, 1),), 60: (event("start", 6, 2),),
        70: (event("end", 7, 1),), 90: (event("end", 9, 2),),
    }  # fmt: skip
    assert [path.suffix for path in play(config, tmp_path, told)] == [".webm"]


def test_off_means_nothing_is_written(tmp_path: Path) -> None:
    assert play(RecordConfig(), tmp_path, {50: (event("start", 5),)}) == []


def test_the_oldest_go_by_days_and_by_megabytes(tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    folder.mkdir()
    for days in (30, 3, 2, 1):
        path = folder / f"old-{days}.jpg"
        path.write_bytes(bytes(400_000))
        then_s = time.time() - days * 86400
        os.utime(path, (then_s, then_s))
    config = RecordConfig(snapshots=True, keep_days=14.0, keep_mb=1.0, free_mb=0.0)
    left = play(config, tmp_path, {50: (event("start", 5),)})
    assert [path.name for path in left if "old" in path.name] == ["old-1.jpg", "old-2.jpg"]
    assert len(left) == 3


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
