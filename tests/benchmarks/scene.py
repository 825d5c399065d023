"""A synthetic scene whose truth is exact: walkers who cross, hide and are missed.

Boxes are x_min, y_min, x_max, y_max, normalised. Everything follows from the seed.
"""

from dataclasses import dataclass

import numpy as np

from edge.types import Box, Detection

PILLAR = (0.47, 0.0, 0.53, 1.0)
"""Nobody is seen whose middle is behind it."""
HIDDEN = 0.6
"""A walker covered by nearer ones to this share is not detected."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame: who is where, and what a detector says."""

    at_s: float
    truth: dict[int, Box]
    """Visible or not, by walker."""
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Walker:
    """Starts somewhere at some time, walks with a wavering pace."""

    begin_s: float
    seconds: float
    start: tuple[float, float]
    """Where the feet are."""
    pace: tuple[float, float]
    """Per second."""
    height: float
    waver: float

    def box(self, at_s: float) -> Box | None:
        """Where the walker is; None outside the scene."""
        t = at_s - self.begin_s
        if not 0 <= t <= self.seconds:
            return None
        x = self.start[0] + self.pace[0] * t + 0.01 * np.sin(self.waver * t)
        y = self.start[1] + self.pace[1] * t
        width = self.height * 0.4 * (1 + 0.1 * np.sin(6 * t + self.waver))
        box = Box(x - width / 2, y - self.height, x + width / 2, y)
        return box if 0 < x < 1 and 0 < y < 1 else None


def walkers(seed: int, count: int, seconds: float) -> list[Walker]:
    """That many of them over the scene's time, most crossing it from side to side."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        left = chance.random() < 0.5
        height = chance.uniform(0.15, 0.4)
        speed = chance.uniform(0.5, 1.5) * height * 0.5
        pace = (speed if left else -speed, chance.uniform(-0.02, 0.02))
        start = (0.01 if left else 0.99, chance.uniform(0.45, 0.95))
        begin_s = float(chance.uniform(0, seconds * 0.7))
        made.append(Walker(begin_s, seconds, start, pace, height, chance.uniform(0.5, 2)))
    return made


def play(seed: int, count: int = 24, seconds: float = 60.0, fps: float = 10.0) -> list[Moment]:
    """The scene, frame by frame, with noise, misses, low scores and false alarms."""
    people = walkers(seed, count, seconds)
    chance = np.random.default_rng(seed + 1)
    moments = []
    for number in range(int(seconds * fps)):
        at_s = number / fps
        boxes = {k: box for k, walker in enumerate(people) if (box := walker.box(at_s))}
        found = [d for k, box in boxes.items() if (d := _detect(k, box, boxes, chance))]
        if chance.random() < 0.05:
            x, y, size = chance.uniform(0.1, 0.9), chance.uniform(0.3, 0.9), 0.1
            ghost = Box(x, y - size, x + size / 2, y)
            found.append(Detection("person", float(chance.uniform(0.2, 0.6)), ghost))
        moments.append(Moment(at_s, boxes, tuple(found)))
    return moments


def _detect(
    who: int, box: Box, everyone: dict[int, Box], chance: np.random.Generator
) -> Detection | None:
    covered = _covered(who, box, everyone)
    middle = (box.x_min + box.x_max) / 2
    noise, lucky, score = chance.normal(0, 0.04, 4), chance.random(), chance.uniform(0.55, 0.95)
    if covered >= HIDDEN or PILLAR[0] < middle < PILLAR[2] or lucky < 0.1:
        return None
    width, height = box.x_max - box.x_min, box.y_max - box.y_min
    moved = Box(
        box.x_min + noise[0] * width, box.y_min + noise[1] * height,
        box.x_max + noise[2] * width, box.y_max + noise[3] * height,
    )  # fmt: skip
    return Detection("person", float(score * (1 - 0.7 * covered)), moved.cut())


def _covered(who: int, box: Box, everyone: dict[int, Box]) -> float:
    """The largest share that one nearer walker (whose feet are lower) hides."""
    worst = 0.0
    for other, near in everyone.items():
        if other == who or near.y_max <= box.y_max:
            continue
        width = min(box.x_max, near.x_max) - max(box.x_min, near.x_min)
        height = min(box.y_max, near.y_max) - max(box.y_min, near.y_min)
        if width > 0 and height > 0:
            whole = (box.x_max - box.x_min) * (box.y_max - box.y_min)
            worst = max(worst, width * height / whole)
    return worst
