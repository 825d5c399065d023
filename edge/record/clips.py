"""Frames and events -> snapshots and short clips.

A source's own thread encodes each frame once, small; files are written by one other thread.
"""

import time
from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np

from edge.record.film import Shot
from edge.record.recorder import Recorder
from edge.scene import RecordConfig
from edge.text import composed
from edge.types import Event, Frame, Image

QUALITY = 85
DRAWN = (0, 200, 0)
"""B, G, R."""
NAME_LETTERS = 40
"""A file's name has at most 255 bytes; a letter has up to 4."""


@dataclass(slots=True)
class _Clip:
    name: str
    shots: list[Shot]
    until_s: float = float("inf")
    stories: set[int] = field(default_factory=set)


class SourceRecorder:
    """One source's pre-roll and open clips. `take` once per frame, in the source's thread."""

    def __init__(self, config: RecordConfig, source: str, recorder: Recorder) -> None:
        self._config = config
        self._source = source
        self._recorder = recorder
        self._before: deque[Shot] = deque()
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
        shot = Shot(frame.mono_s, _jpeg(frame.image, self._config.width))
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
    label = "".join(c if c.isalnum() else "_" for c in composed(event.label.lower()))
    return f"{moment}-{event.story}-{label[:NAME_LETTERS]}"


def _jpeg(image: Image, width: int) -> bytes:
    height, columns = image.shape[:2]
    if columns > width:
        size = (width, max(2, round(height * width / columns) // 2 * 2))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
