"""scikit-image's photographs -> frames as a camera that pans over them would give."""

import math
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from edge.capture.due import Due
from edge.errors import FatalError
from edge.sources.newest import Newest
from edge.types import Frame, Image

PHOTOGRAPHS = (
    "coffee.png",
    "chelsea.png",
    "astronaut.png",
    "rocket.jpg",
    "grass.png",
    "gravel.png",
)
"""A cup, a cat, a person, a rocket on its pad, two textures: one of six shows a person."""

WIDTH, HEIGHT = 640, 480
FASTEST, LONGEST_S = 1000.0, 86_400.0
"""The most views a second, and the most seconds that one photograph is shown."""
ZOOM = 1.15
"""How much larger than the view a photograph is, so that there is something to pan over."""


class Demo:
    """The photographs in order at full speed, on a virtual clock: for tests and calibration."""

    live = False
    skipped = 0
    dropped = 0

    def __init__(self, views: Iterator[tuple[Image, str]], rate: float, fps: float) -> None:
        """`rate` is how many views make a second; `fps` above 0 is the most handed out of it."""
        self._views = views
        self._rate = rate
        self._due = Due(1.0 / fps if fps else 0.0, rate)
        self._stopped = False

    def __iter__(self) -> Iterator[Frame]:
        """The views of every photograph."""
        for number, (image, name) in enumerate(self._views):
            if self._stopped:
                return
            at_s = number / self._rate
            if self._due.takes(at_s):
                yield Frame(image, at_s, at_s, time.monotonic(), origin=name)

    def stop(self) -> None:
        """From any thread: no further view."""
        self._stopped = True


def demo(uri: str, options: dict[str, str], fps: float = 0.0) -> Newest | Demo:
    """`demo:?fps=15&rounds=0&seconds=3`: rounds 0 is without end, fps 0 as fast as it goes.

    `fps` above 0 is the most frames a second that are handed out, as of any camera.
    Raises FatalError for options that are none, and where scikit-image is not installed.
    """
    try:
        rate = float(options.pop("fps", "15"))
        rounds = int(options.pop("rounds", "0"))
        seconds = float(options.pop("seconds", "3"))
        sound = 0 <= rate <= FASTEST and rounds >= 0 and 0.1 <= seconds <= LONGEST_S
        if options or not sound:  # not a number is never within bounds
            raise ValueError
    except ValueError:
        raise FatalError(f"{uri}: expected demo:?fps=NUMBER&rounds=NUMBER&seconds=NUMBER") from None
    _folder()
    if rate == 0:
        return Demo(_pan(rounds or 1, 15.0, seconds), 15.0, fps)
    return Newest(lambda stopped: _paced(_pan(rounds, rate, seconds), rate, stopped), fps)


def _paced(views: Iterator[tuple[Image, str]], rate: float, stopped: Event) -> Iterator[Frame]:
    start_s = time.monotonic()
    for number, (image, name) in enumerate(views):
        if stopped.wait(max(0.0, start_s + number / rate - time.monotonic())):
            return
        now_s = time.monotonic()
        yield Frame(image, now_s, time.time(), now_s, origin=name)


def _pan(rounds: int, rate: float, seconds: float) -> Iterator[tuple[Image, str]]:
    """(480, 640, 3) views that move over each photograph once, and the photograph's name."""
    views = max(1, round(rate * seconds))
    for _ in range(rounds) if rounds else count():
        for name in PHOTOGRAPHS:
            photograph = _load(_folder() / name)
            slack_y, slack_x = photograph.shape[0] - HEIGHT, photograph.shape[1] - WIDTH
            for view in range(views):
                angle = 2 * math.pi * view / views
                left = round(slack_x * (0.5 - 0.5 * math.cos(angle)))
                top = round(slack_y * (0.5 + 0.5 * math.sin(angle)))
                yield photograph[top : top + HEIGHT, left : left + WIDTH], name


def _load(path: Path) -> Image:
    """The photograph, scaled so that a view fits with room to pan."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FatalError(f"demo: {path}: not readable; install scikit-image again")
    scale = ZOOM * max(WIDTH / image.shape[1], HEIGHT / image.shape[0])
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale), np.uint8)


def _folder() -> Path:
    """Where scikit-image keeps its photographs; the package itself is not imported."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise FatalError(
            "demo: needs the photographs of scikit-image: pip install 'hedgerow[demo]'"
        )
    return Path(spec.origin).parent / "data"
