"""A picture -> the picture as it might have been taken another time. Pure but for the dice."""

import cv2
import numpy as np
import numpy.typing as npt

from converter.training.options import Scenario

Picture = npt.NDArray[np.uint8]
"""(size, size, 3) R, G, B."""

TURN = {"leaf": 180.0, "ground": 180.0, "scene": 8.0}
"""Degrees by which a picture may be turned either way."""
SMALLEST = {"leaf": 0.6, "ground": 0.75, "scene": 0.6}
"""Share of the side that a cut-out shows, at least."""
BLURRED, NOISY = 0.25, 0.25
"""Share of pictures that are softened, and that get a sensor's noise."""


def distort(picture: Picture, scenario: Scenario, random: np.random.Generator) -> Picture:
    """Cut out, turn, mirror, light, soften, add noise: what cameras and weather do."""
    moved = _move(picture, scenario, random)
    lit = _light(moved, random)
    if random.random() < BLURRED:
        lit = cv2.GaussianBlur(lit, (0, 0), random.uniform(0.4, 1.3)).astype(np.float32)
    if random.random() < NOISY:
        lit = lit + random.normal(0.0, random.uniform(2.0, 10.0), lit.shape).astype(np.float32)
    return np.clip(lit, 0, 255).astype(np.uint8)


def _move(picture: Picture, scenario: Scenario, random: np.random.Generator) -> Picture:
    """One warp: turn, scale and shift together, edges mirrored."""
    side = picture.shape[0]
    angle = random.uniform(-TURN[scenario], TURN[scenario])
    zoom = 1.0 / random.uniform(SMALLEST[scenario], 1.1)
    matrix = np.asarray(cv2.getRotationMatrix2D((side / 2, side / 2), angle, zoom), np.float64)
    slack = max(0.0, (zoom - 1) / 2) * side
    matrix[:, 2] += random.uniform(-slack, slack, 2)
    if random.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += side - 1
    warped = cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.uint8)


def _light(picture: Picture, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Exposure, contrast, white balance and saturation, each within what cameras do."""
    values = picture.astype(np.float32)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * random.uniform(0.7, 1.3)
    values *= random.uniform(0.92, 1.08, 3)
    mean = values.mean()
    values = (values - mean) * random.uniform(0.75, 1.25) + mean * random.uniform(0.75, 1.25)
    return np.asarray(values, np.float32)
