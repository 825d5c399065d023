"""Frames and events -> snapshots and short clips in a folder that never grows too large.

A source's own thread encodes each frame once, small; files are written by one other thread.
"""

import logging
import shutil
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import NamedTuple

import cv2
import numpy as np

from edge.scene import RecordConfig
from edge.types import Event, Frame, Image

log = logging.getLogger(__name__)

WAITING = 16
"""Files that may wait for a slow disk; more are dropped and counted."""
QUALITY = 85
DRAWN = (0, 200, 0)
"""B, G, R."""
FLUSH_S = 10.0


class _Shot(NamedTuple):
    mono_s: float
    jpeg: bytes


@dataclass(slots=True)
class _Clip:
    name: str
    shots: list[_Shot]
    until_s: float = float("inf")
    stories: set[int] = field(default_factory=set)


class Recorder:
    """One daemon's files. Raises nothing: what cannot be written is logged and counted."""

    def __init__(self, config: RecordConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._queue: Queue[tuple[Path, bytes | list[_Shot]] | None] = Queue(WAITING)
        self._thread = Thread(target=self._write_all, name="record", daemon=True)
        self._full = False
        self.dropped = 0

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join(FLUSH_S)

    def put(self, path: str, content: "bytes | list[_Shot]") -> None:
        """One more file, by its path in the folder; dropped where too many wait."""
        try:
            self._queue.put_nowait((self._folder / path, content))
        except Full:
            self.dropped += 1
            log.warning("record.folder: the disk is too slow, %s is dropped", path)

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not None:
            path, content = item
            try:
                if self._room():
                    _write(path, content)
                self._clean(time.time())
            except (OSError, cv2.error) as error:
                self.dropped += 1
                log.warning("%s: cannot be written: %s", path, error)

    def _room(self) -> bool:
        """Whether the disk keeps what it must keep free."""
        self._folder.mkdir(parents=True, exist_ok=True)
        enough = shutil.disk_usage(self._folder).free >= self._config.free_mb * 1e6
        if not enough:
            self.dropped += 1
            if not self._full:
                log.warning(
                    "%s: less than record.free_mb = %g left: nothing more is recorded",
                    self._folder, self._config.free_mb,
                )  # fmt: skip
        self._full = not enough
        return enough

    def _clean(self, now_s: float) -> None:
        """Delete what is too old, then the oldest until the rest is small enough."""
        files = [(path.stat(), path) for path in self._folder.glob("*/*.*") if path.is_file()]
        files.sort(key=lambda item: item[0].st_mtime)
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in files:
            old = now_s - stat.st_mtime > self._config.keep_days * 86400
            if not old and total <= self._config.keep_mb * 1e6:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size


class SourceRecorder:
    """One source's pre-roll and open clips. `take` once per frame, in the source's thread."""

    def __init__(self, config: RecordConfig, source: str, recorder: Recorder) -> None:
        self._config = config
        self._source = source
        self._recorder = recorder
        self._before: deque[_Shot] = deque()
        self._clip: _Clip | None = None

    def take(self, frame: Frame, events: tuple[Event, ...]) -> None:
        """One more frame with the events that it decided."""
        config = self._config
        if config.clips:
            self._shoot(frame)
        for event in events:
            if event.kind == "start" and config.snapshots:
                picture = draw(frame.image, event) if config.draw else frame.image
                path = f"{self._source}/{_name(event)}.jpg"
                self._recorder.put(path, _jpeg(picture, picture.shape[1]))
            if config.clips:
                self._follow(event, frame)
        clip = self._clip
        if clip and (frame.mono_s >= clip.until_s or self._too_long(clip)):
            self.finish()

    def finish(self) -> None:
        """Write the clip that is open."""
        if self._clip is not None:
            self._recorder.put(f"{self._source}/{self._clip.name}.webm", self._clip.shots)
        self._clip = None

    def _shoot(self, frame: Frame) -> None:
        """Keep the frame, at most `fps` of them a second, as a small JPEG."""
        last_s = self._before[-1].mono_s if self._before else float("-inf")
        if frame.mono_s - last_s < 1 / self._config.fps - 1e-3:
            return
        shot = _Shot(frame.mono_s, _jpeg(frame.image, self._config.width))
        self._before.append(shot)
        while shot.mono_s - self._before[0].mono_s > self._config.pre_roll_s:
            self._before.popleft()
        if self._clip is not None:
            self._clip.shots.append(shot)

    def _follow(self, event: Event, frame: Frame) -> None:
        """One clip shows all stories that overlap it."""
        if event.kind == "start":
            if self._clip is None:
                self._clip = _Clip(_name(event), list(self._before))
            self._clip.stories.add(event.story)
            self._clip.until_s = float("inf")
        elif event.kind == "end" and self._clip is not None:
            self._clip.stories.discard(event.story)
            if not self._clip.stories:
                self._clip.until_s = frame.mono_s + self._config.post_roll_s

    def _too_long(self, clip: _Clip) -> bool:
        shots = clip.shots
        return bool(shots) and shots[-1].mono_s - shots[0].mono_s >= self._config.max_clip_s


def draw(image: Image, event: Event) -> Image:
    """A copy with the event's box and label; the label alone where it speaks of the whole frame."""
    height, width = image.shape[:2]
    drawn = image.copy()
    thick = max(1, height // 240)
    corner = (thick, height // 20)
    if event.box is not None:
        left, top = int(event.box.x_min * width), int(event.box.y_min * height)
        right, bottom = int(event.box.x_max * width), int(event.box.y_max * height)
        cv2.rectangle(drawn, (left, top), (right, bottom), DRAWN, thick)
        corner = (left, max(top - thick, height // 20))
    text = f"{event.label} {event.score:.2f}"
    cv2.putText(drawn, text, corner, cv2.FONT_HERSHEY_SIMPLEX, height / 480, DRAWN, thick)
    return drawn


def _name(event: Event) -> str:
    """`20260601T120000Z-17-person`: in order of time, safe in any file system."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(event.unix_s))
    label = "".join(c if c.isalnum() else "_" for c in event.label.lower())
    return f"{moment}-{event.story}-{label}"


def _jpeg(image: Image, width: int) -> bytes:
    height, columns = image.shape[:2]
    if columns > width:
        size = (width, max(2, round(height * width / columns) // 2 * 2))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _write(path: Path, content: bytes | list[_Shot]) -> None:
    """Under another name first: a power cut leaves no half file under the right one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    if isinstance(content, bytes):
        part.write_bytes(content)
    else:
        _film(part, content)
    part.replace(path)


def _film(path: Path, shots: list[_Shot]) -> None:
    """WebM with VP8: the one codec of OpenCV's own build that browsers play."""
    seconds = shots[-1].mono_s - shots[0].mono_s
    fps = (len(shots) - 1) / seconds if seconds > 0 else 1.0
    writer: cv2.VideoWriter | None = None
    for shot in shots:
        image = cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            continue
        if writer is None:
            code = cv2.VideoWriter.fourcc(*"VP80")
            writer = cv2.VideoWriter(str(path), code, fps, (image.shape[1], image.shape[0]))
        writer.write(image)
    if writer is not None:
        writer.release()
    if not path.exists():
        raise OSError("OpenCV writes no VP8 video here; set record.clips = false")
