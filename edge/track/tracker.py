"""One source's tracker: ByteTrack's two looks, on a filter that knows seconds.

First the sure detections find their tracks by overlap, then the unsure ones may continue tracks
that found none (Zhang et al. 2022, ByteTrack), then sure ones that overlap no prediction find a
track whose uncertainty reaches them (few frames a second, or back from behind a tree).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.track import kalman, match, shake
from edge.track.kalman import Rows
from edge.track.match import Pairs
from edge.types import Box, Detection, Frame, Track

OVERLAP = 0.3
"""Least IoU of a prediction and a sure detection, as in SORT."""
OVERLAP_UNSURE = 0.5
"""Least IoU with an unsure detection: those are often background."""
REACH = 4.61
"""Chi-squared with 2 degrees of freedom, 90 %."""
ALIKE = 0.6
"""Least share of width and of height that two boxes out of touch must have in common."""
COVERED = 0.8
"""A detection that lies in a track's box by so much is a second box of the same object."""
AT_EDGE = 0.02
"""A box this close to the frame's edge touches it."""
KNOWN = 3
"""Sightings from which a track deserves patience; a false alarm has one or two."""
OUTWARD = 0.1
"""Box sizes a second towards that edge, from which the object is leaving."""
SHAKEN_S = 0.5
"""Frames further apart say nothing of a shaking camera: everybody has moved on by himself."""


@dataclass(frozen=True, slots=True)
class TrackRule:
    """When a track begins, goes on and is given up."""

    enter: Callable[[str], float]
    """The score from which a label's detection is sure, and may begin a track."""
    leave: Callable[[str], float]
    """The score below which it does not even continue one."""
    lost_s: float = 1.5
    """Seconds unseen until a track is given up; a third of it for an object that was leaving,
    or was hardly seen."""
    release: int = 5
    """Frames that must miss it as well."""


@dataclass(slots=True)
class _Life:
    """What is remembered of a track beside its place."""

    number: int
    label: str
    score: float
    seen_s: float
    missed: int = 0
    sightings: int = 1
    leaving: bool = False
    """Whether it was on its way out of the frame when it was last surely seen."""


class Tracker:
    """`update` once per frame that the model has looked at; numbers start at 1."""

    def __init__(self, rule: TrackRule) -> None:
        self._rule = rule
        self._boxes = kalman.appear(np.zeros((0, 4)))
        self._lives: list[_Life] = []
        self._last_s: float | None = None
        self._born = 0

    def update(self, frame: Frame, detections: tuple[Detection, ...]) -> tuple[Track, ...]:
        """One frame's detections -> every live track, seen in it or not, oldest first."""
        passed_s = max(0.0, frame.mono_s - self._last_s) if self._last_s is not None else 0.0
        kalman.predict(self._boxes, passed_s)
        self._last_s = frame.mono_s
        usable = [d for d in detections if d.box and d.score >= self._rule.leave(d.label)]
        seen = _places(usable)
        if passed_s < SHAKEN_S:
            self._boxes.place[:, :2] += shake.shift(self._boxes.place, seen, self._same(usable))
        pairs = self._associate(usable, seen)
        for life in self._lives:
            life.missed += 1
        if pairs:
            rows, columns = (np.array(side, np.intp) for side in zip(*pairs, strict=True))
            kalman.correct(self._boxes, rows, seen[columns])
        leaving = _leaving(self._boxes)
        for row, column in pairs:
            life, score = self._lives[row], usable[column].score
            life.score, life.seen_s, life.missed = score, frame.mono_s, 0
            life.sightings += 1
            if score >= self._rule.enter(life.label):
                life.leaving = bool(leaving[row])
        self._begin(usable, seen, {column for _, column in pairs}, frame.mono_s)
        self._give_up(frame.mono_s)
        return self._tracks()

    def hold(self, frame: Frame) -> tuple[Track, ...]:
        """Nothing moved since the last look: time passes, and every track stays as it is."""
        if self._last_s is not None:
            passed_s = frame.mono_s - self._last_s
            for life in self._lives:
                life.seen_s += passed_s
            self._boxes.speed[:] = 0.0
        self._last_s = frame.mono_s
        return self._tracks()

    def _associate(self, usable: list[Detection], seen: Rows) -> Pairs:
        if not usable or not self._lives:
            return []
        same = self._same(usable)
        overlap = match.iou(match.edges(self._boxes.place), match.edges(seen)) * same
        sure = np.array([d.score >= self._rule.enter(d.label) for d in usable])
        free, unsure = np.ones(len(self._lives), bool), ~sure
        pairs = match.among(overlap, free, sure, OVERLAP)
        pairs += match.among(overlap, free, unsure, OVERLAP_UNSURE)
        if free.any() and sure.any():
            pairs += match.among(self._nearness(seen) * same, free, sure, 1e-9)
        return pairs

    def _same(self, usable: list[Detection]) -> npt.NDArray[np.bool_]:
        """(tracks, detections) whether both are of one label."""
        labels = np.array([life.label for life in self._lives], str)
        return np.asarray(labels[:, None] == np.array([d.label for d in usable], str))

    def _nearness(self, seen: Rows) -> Rows:
        """(tracks, detections) 1 at the predicted place to 0 out of reach or of another size."""
        near = 1 - kalman.distance(self._boxes, seen) / REACH
        ours, theirs = self._boxes.place[:, None, 2:], seen[None, :, 2:]
        common = (np.minimum(ours, theirs) / np.maximum(ours, theirs)).min(axis=2)
        return np.where(common >= ALIKE, np.maximum(near, 0), 0)

    def _begin(self, usable: list[Detection], seen: Rows, taken: set[int], now_s: float) -> None:
        """Sure detections that are no track's, nor a second box of one, begin tracks."""
        for index, detection in enumerate(usable):
            label, score = detection.label, detection.score
            if index in taken or score < self._rule.enter(label):
                continue
            rows = [r for r, k in enumerate(self._lives) if k.label == label and k.missed == 0]
            place = seen[index : index + 1]
            if rows and _covered(place, self._boxes.place[rows]):
                continue
            self._born += 1
            self._lives.append(_Life(self._born, label, score, now_s))
            self._boxes = kalman.join(self._boxes, kalman.appear(place))

    def _give_up(self, now_s: float) -> None:
        kept = []
        for row, life in enumerate(self._lives):
            brief = life.leaving or life.sightings < KNOWN
            patience_s = self._rule.lost_s / 3 if brief else self._rule.lost_s
            if life.missed < self._rule.release or now_s - life.seen_s < patience_s - 1e-6:
                kept.append(row)
        if len(kept) < len(self._lives):
            self._lives = [self._lives[row] for row in kept]
            self._boxes = kalman.take(self._boxes, np.array(kept, np.intp))

    def _tracks(self) -> tuple[Track, ...]:
        boxes = match.edges(self._boxes.place).clip(0, 1).tolist()
        return tuple(
            Track(life.number, life.label, life.score, Box(*box), life.missed == 0)
            for life, box in zip(self._lives, boxes, strict=True)
        )


def _places(detections: list[Detection]) -> Rows:
    """(n, 4) centre x, centre y, width, height."""
    found = [(b.x_min, b.y_min, b.x_max, b.y_max) for d in detections if (b := d.box)]
    boxes = np.array(found, np.float64).reshape(-1, 4).clip(0, 1)
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-4)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, size], axis=1)


def _covered(place: Rows, others: Rows) -> bool:
    box, rivals = match.edges(place), match.edges(others)
    smaller = np.minimum(match.area(box)[:, None], match.area(rivals))
    return bool(np.any(match.shared(box, rivals) >= COVERED * smaller))


def _leaving(boxes: kalman.Boxes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which boxes touch an edge of the frame and move towards it."""
    outline = match.edges(boxes.place)
    pace = boxes.speed[:, :2] / boxes.place[:, 2:]
    low = (outline[:, :2] <= AT_EDGE) & (pace < -OUTWARD)
    high = (outline[:, 2:] >= 1 - AT_EDGE) & (pace > OUTWARD)
    return np.asarray((low | high).any(axis=1))
