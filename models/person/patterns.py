"""A random generator -> made-up pictures of nothing: walls, tiles, stripes, print, pebbles, sky."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.types import Image

SIDE = 192
"""Side of every pattern, pixels."""

Rng = np.random.Generator
Shades = NDArray[np.float32]
"""(192, 192), dark 0 to light 1."""


def pattern(rng: Rng) -> Image:
    """(192, 192, 3) B,G,R: one pattern between two random colours, grey in half the cases."""
    kinds: tuple[Callable[[Rng], Shades], ...] = (_tiles, _stripes, _print, _pebbles, _clouds)
    shades = kinds[rng.integers(len(kinds))](rng)
    shades = shades + rng.uniform(0, 0.4) * _clouds(rng)
    shades = (shades - shades.min()) / max(float(np.ptp(shades)), 1e-3)
    colors = rng.uniform(0, 255, (2, 3))
    if rng.random() < 0.5:
        colors = np.repeat(colors[:, :1], 3, axis=1)
    image = colors[0] + (colors[1] - colors[0]) * shades[..., None]
    image += rng.normal(0, rng.uniform(0, 12), image.shape)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def _clouds(rng: Rng) -> Shades:
    """Smooth noise of one random grain."""
    cells = int(rng.integers(2, 64))
    coarse = rng.random((cells, cells), np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def _tiles(rng: Rng) -> Shades:
    """Bricks or a chessboard, each tile with a shade of its own."""
    height, width = rng.integers(6, 60, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    row = rows // height
    shifted = columns + (row % 2) * int(width * rng.choice([0.0, 0.5]))
    column = shifted // width
    joint = (rows % height < 2) | (shifted % width < 2)
    own = rng.random((SIDE, 2 * SIDE), np.float32)[row, column]
    shades = (row + column) % 2 if rng.random() < 0.4 else 0.5 + 0.4 * own - 0.5 * joint
    return np.asarray(shades, np.float32)


def _stripes(rng: Rng) -> Shades:
    """A fence, furrows, slats: waves or sharp bars in any direction."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    angle = rng.uniform(0, np.pi)
    along = rows * np.cos(angle) + columns * np.sin(angle)
    waves = np.sin(along * rng.uniform(0.05, 1.0) + rng.uniform(0, 6))
    return np.asarray(waves if rng.random() < 0.5 else waves > rng.uniform(-0.5, 0.5), np.float32)


def _print(rng: Rng) -> Shades:
    """Lines of letters, as on a sign or a page."""
    page = np.full((SIDE, SIDE), 255, np.uint8)
    size = float(rng.uniform(0.3, 1.6))
    step = int(rng.uniform(22, 34) * size)
    for y in range(step, SIDE + step, step):
        letters = "".join(chr(code) for code in rng.integers(33, 123, 30))
        cv2.putText(page, letters, (-4, y), int(rng.integers(0, 8)), size, 0, 1 + int(size))
    return np.asarray(page / 255, np.float32)


def _pebbles(rng: Rng) -> Shades:
    """Coins, stones, fruit: shaded discs on a plain ground."""
    shades = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(1, 40))):
        x, y = (int(value) for value in rng.integers(0, SIDE, 2))
        axes = (int(rng.integers(4, 40)), int(rng.integers(4, 40)))
        cv2.ellipse(shades, (x, y), axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.3, 1), -1)
    return np.asarray(cv2.GaussianBlur(shades, (0, 0), rng.uniform(0.3, 3)), np.float32)
