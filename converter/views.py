"""Pictures -> the same a little moved or mirrored, by chance. Pure.

Each view is rounded anew, so that some views of a picture tell more of int8 than the picture
alone, and hardly one is what ranges and weights were fitted to. Nothing is scaled, for that would
soften it: narrow ranges would look better than they are.
"""

import cv2
import numpy as np

from converter.data import Pixels

ENOUGH = 200
"""Views in all."""
MOST = 8
"""Of one picture."""
FURTHEST = 0.1
"""Of each side that a picture is moved by; what is uncovered mirrors what is beside it."""


def several(pixels: Pixels) -> Pixels:
    """All pictures once, then all again in other views, up to ENOUGH and MOST of each."""
    random = np.random.default_rng(0)
    times = min(MOST, max(1, ENOUGH // len(pixels)))
    return np.concatenate([_moved(pixels, random) for _ in range(times)])


def _moved(pixels: Pixels, random: np.random.Generator) -> Pixels:
    made = np.empty_like(pixels)
    height, width, channels = pixels.shape[1:]
    tall, wide = int(height * FURTHEST), int(width * FURTHEST)
    for row, picture in enumerate(pixels):
        around = cv2.copyMakeBorder(picture, tall, tall, wide, wide, cv2.BORDER_REFLECT_101)
        top, left = random.integers(0, 2 * tall + 1), random.integers(0, 2 * wide + 1)
        part = around[top : top + height, left : left + width].reshape(height, width, channels)
        made[row] = part[:, ::-1] if random.random() < 0.5 else part
    return made
