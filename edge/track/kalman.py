"""Where boxes will be: a constant-velocity Kalman filter for many boxes at once.

A row is one box: centre x, centre y, width, height, normalised to the frame. The four numbers of
a row are filtered apart (SORT's and ByteTrack's filters are so in effect, too: neither their
motion nor their noise couples them), so a covariance is three numbers and no matrix is inverted.
Noise grows with the box, as in SORT (Bewley et al. 2016), and with the seconds that passed, so
that the same settings hold at 2 and at 30 frames a second.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]

MEASURED = 0.08
"""Standard deviation of a detector's box edges, in box sizes."""
SPEED = np.array([2.0, 1.0, 0.5, 0.5])
"""What a new box may move or grow in a second, in box sizes: a walker is 3 widths a second."""
ACCELERATION = np.array([1.5, 1.0, 0.5, 0.5])
"""How fast that changes, box sizes a second squared: a walker's width is about half a metre."""


@dataclass(slots=True)
class Boxes:
    """n boxes with their velocities and covariances; arrays of (n, 4)."""

    place: Rows
    speed: Rows
    """Per second."""
    place_var: Rows
    cross_var: Rows
    speed_var: Rows

    def __len__(self) -> int:
        return len(self.place)


def appear(places: Rows) -> Boxes:
    """(n, 4) boxes seen for the first time."""
    size = _size(places)
    return Boxes(
        places.copy(),
        np.zeros_like(places),
        (MEASURED * size) ** 2,
        np.zeros_like(places),
        (SPEED * size) ** 2,
    )


def join(one: Boxes, other: Boxes) -> Boxes:
    """The rows of both."""
    pairs = zip(_arrays(one), _arrays(other), strict=True)
    return Boxes(*(np.concatenate(pair) for pair in pairs))


def take(boxes: Boxes, rows: npt.NDArray[np.intp]) -> Boxes:
    """Some of the rows."""
    return Boxes(*(array[rows] for array in _arrays(boxes)))


def predict(boxes: Boxes, seconds: float) -> None:
    """Let that time pass: places move on, uncertainty grows.

    White acceleration noise (Bar-Shalom et al. 2001, Estimation with Applications to Tracking and
    Navigation, section 6.3.2).
    """
    noise = (ACCELERATION * _size(boxes.place)) ** 2
    boxes.place += boxes.speed * seconds
    boxes.place[:, 2:] = np.maximum(boxes.place[:, 2:], 1e-4)
    boxes.place_var += 2 * seconds * boxes.cross_var + seconds**2 * boxes.speed_var
    boxes.place_var += noise * seconds**4 / 4
    boxes.cross_var += seconds * boxes.speed_var + noise * seconds**3 / 2
    boxes.speed_var += noise * seconds**2


def correct(boxes: Boxes, rows: npt.NDArray[np.intp], seen: Rows) -> None:
    """The boxes of those rows were seen there: (m, 4)."""
    variance = boxes.place_var[rows] + (MEASURED * _size(seen)) ** 2
    place_gain = boxes.place_var[rows] / variance
    speed_gain = boxes.cross_var[rows] / variance
    error = seen - boxes.place[rows]
    boxes.place[rows] += place_gain * error
    boxes.speed[rows] += speed_gain * error
    cross = boxes.cross_var[rows]
    boxes.speed_var[rows] -= speed_gain * cross
    boxes.cross_var[rows] = (1 - place_gain) * cross
    boxes.place_var[rows] *= 1 - place_gain


def distance(boxes: Boxes, seen: Rows) -> Rows:
    """(n, m) squared Mahalanobis distance of the centres, chi-squared with 2 degrees of freedom."""
    error = boxes.place[:, None, :2] - seen[None, :, :2]
    variance = boxes.place_var[:, :2] + (MEASURED * boxes.place[:, 2:]) ** 2
    return np.asarray((error**2 / variance[:, None]).sum(axis=2))


def _size(places: Rows) -> Rows:
    """(n, 4) the box's own width and height, beside each of its numbers."""
    return places[:, [2, 3, 2, 3]]


def _arrays(boxes: Boxes) -> tuple[Rows, ...]:
    return boxes.place, boxes.speed, boxes.place_var, boxes.cross_var, boxes.speed_var
