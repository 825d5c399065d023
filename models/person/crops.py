"""Pictures -> views of them, cut, labelled and distorted as a cheap camera would."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from network import SIZE
from numpy.typing import NDArray
from pictures import Part, Picture

from edge.model import InputContract
from edge.preprocess import Preprocess
from edge.types import Image, Tensor, TensorSpec

Rng = np.random.Generator

CONTRACT = InputContract(width=SIZE, height=SIZE, mean=(127.5,), std=(127.5,))
"""B,G,R pixels -> R,G,B in -1..1, stretched to the square."""
PREPROCESS = Preprocess(CONTRACT, TensorSpec("input", (1, SIZE, SIZE, 3), np.dtype(np.float32)))

ENOUGH_OF_VIEW = 0.02
ENOUGH_OF_PERSON = 0.35
"""A view shows a person when this share of a person's box is in it and fills that share of it."""
SMALLEST_VIEW = 48
"""Pixels: below this a view is a blur."""
WHOLE, PEOPLE, SCENES = 0.3, 0.52, 0.28
"""Share of views that are a whole picture; share from people's and from empty pictures."""
TRUST = {"person": 0.65, "beside": 0.5, "nobody": 0.9}
"""Weight of our label against the teacher's score: lower where boxes may miss somebody."""


@dataclass(frozen=True)
class View:
    """A cut-out and what we know of it."""

    image: Image
    person: float
    """1 with a person, 0 without."""
    trust: float
    """0..1: how far `person` counts against the teacher's score; 0 where we do not know."""


def draw(part: Part, rng: Rng) -> View:
    """One random view, about half of them with a person."""
    kind = rng.random()
    if kind < PEOPLE:
        picture = part.people[rng.integers(len(part.people))]
    elif kind < PEOPLE + SCENES:
        picture = part.scenes[rng.integers(len(part.scenes))]
    else:
        picture = part.plants[rng.integers(len(part.plants))]
    return cut(picture, rng)


def cut(picture: Picture, rng: Rng) -> View:
    """A random window of one picture, labelled by the boxes in it."""
    height, width = picture.image.shape[:2]
    if rng.random() < WHOLE:
        window = (0, 0, width, height)
    elif len(picture.people) and rng.random() < 0.7:
        window = _around(picture, rng)
    else:
        window = _window(picture, rng.uniform(0.08, 1.0), rng.random(2), rng)
    x_min, y_min, x_max, y_max = window
    person, trust = _label(picture.people, np.array(window, np.float64))
    return View(picture.image[y_min:y_max, x_min:x_max], person, trust)


def _around(picture: Picture, rng: Rng) -> tuple[int, int, int, int]:
    """A window that a person fills by 3 to 90 percent, not always in the middle."""
    sizes = np.prod(picture.people[:, 2:] - picture.people[:, :2], axis=1)
    chances = np.sqrt(sizes)
    box = picture.people[rng.choice(len(sizes), p=chances / chances.sum())]
    area = (box[2] - box[0]) * (box[3] - box[1]) / np.exp(rng.uniform(np.log(0.03), np.log(0.9)))
    height, width = picture.image.shape[:2]
    middle = box[:2] + (box[2:] - box[:2]) * rng.uniform(0.1, 0.9, 2)
    spread = np.sqrt(area) * rng.uniform(-0.35, 0.35, 2)
    return _window(picture, area / (width * height), (middle + spread) / (width, height), rng)


def _window(
    picture: Picture, share: float, middle: NDArray[np.float64], rng: Rng
) -> tuple[int, int, int, int]:
    """A window with a share of the picture's area, of random aspect, moved inside the picture.

    `middle` is x, y in 0..1 of the picture.
    """
    height, width = picture.image.shape[:2]
    aspect = np.exp(rng.uniform(-0.4, 0.6))
    area = max(share * width * height, SMALLEST_VIEW**2)
    columns = int(np.clip(np.sqrt(area * aspect), min(SMALLEST_VIEW, width), width))
    rows = int(np.clip(np.sqrt(area / aspect), min(SMALLEST_VIEW, height), height))
    left = int(np.clip(middle[0] * width - columns / 2, 0, width - columns))
    top = int(np.clip(middle[1] * height - rows / 2, 0, height - rows))
    return left, top, left + columns, top + rows


def _label(people: NDArray[np.float64], window: NDArray[np.float64]) -> tuple[float, float]:
    """Whether a person is in view, and how sure that is (`View.person`, `View.trust`)."""
    if not len(people):
        return 0.0, TRUST["nobody"]
    inside = np.minimum(people[:, 2:], window[2:]) - np.maximum(people[:, :2], window[:2])
    seen = np.prod(np.maximum(inside, 0), axis=1)
    of_person = seen / np.prod(people[:, 2:] - people[:, :2], axis=1)
    of_view = seen / np.prod(window[2:] - window[:2])
    if np.any((of_person >= ENOUGH_OF_PERSON) & (of_view >= ENOUGH_OF_VIEW)):
        return 1.0, TRUST["person"]
    return 0.0, 0.0 if seen.any() else TRUST["beside"]


def tensor(image: Image) -> Tensor:
    """A picture of any size -> the network's input (96, 96, 3) in -1..1, as on the device."""
    return np.asarray(PREPROCESS(image)[0][0])


def distort(image: Image, rng: Rng) -> Image:
    """A view of any size -> (96, 96, 3), flipped, recoloured, blurred or noisy by chance."""
    image = np.asarray(cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    if rng.random() < 0.8:
        image = _recolor(image, rng)
    if rng.random() < 0.15:
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        image = np.repeat(grey[..., None], 3, axis=2)
    if rng.random() < 0.2:
        side = int(rng.integers(32, 80))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
        small = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        image = np.asarray(small, np.uint8)
    if rng.random() < 0.3:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 14))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image, np.uint8)


def _recolor(image: Image, rng: Rng) -> Image:
    """Brightness, contrast, white balance and gamma, as one table of 256 values a channel."""
    levels = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.uniform(-0.5, 0.5))
    gain = rng.uniform(0.6, 1.3) * rng.uniform(0.88, 1.12, 3)
    table = 255 * (0.5 + (levels - 0.5) * gain + rng.uniform(-0.15, 0.15))
    return np.asarray(cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None]), np.uint8)


def blend(one: Image, other: Image, rng: Rng) -> Image:
    """Two (96, 96, 3) pictures, mixed or one pasted into the other: only the teacher knows it."""
    if rng.random() < 0.5:
        part = rng.uniform(0.2, 0.8)
        return np.asarray(cv2.addWeighted(one, part, other, 1 - part, 0), np.uint8)
    size = rng.integers(30, 76, 2)
    left, top = (int(rng.integers(0, SIZE - side)) for side in size)
    mixed = one.copy()
    mixed[top : top + size[1], left : left + size[0]] = other[
        top : top + size[1], left : left + size[0]
    ]
    return mixed
