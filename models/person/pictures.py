"""The test material -> pictures with person boxes, in two parts that share no picture."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from patterns import pattern

from edge.types import Image

STILLS = (
    "images/coral/bird.bmp",
    "images/coral/bird_segmentation.bmp",
    "images/coral/cat_720p.jpg",
    "images/coral/hot_dog.jpg",
    "images/coral/parrot.jpg",
    "images/coral/sunflower.bmp",
    "images/tflite-support/burger_crop.jpg",
    "images/tflite-support/cats_and_dogs.jpg",
)
PORTRAIT = "images/coral/grace_hopper.bmp"
DATASETS = ("ibean-192", "plantvillage-apple-128", "deepweeds-128")
SEED = 7
"""Of the split into training and validation, and of the training."""
EMPTY_ROOM_FROM = 12
"""First frame of people-detection.gif that shows nobody (ground_truth.json)."""


@dataclass(frozen=True)
class Picture:
    """One picture and where its people are."""

    image: Image
    people: NDArray[np.float64]
    """(n, 4) x_min, y_min, x_max, y_max in pixels; (0, 4) where there is nobody."""


@dataclass(frozen=True)
class Part:
    """The training part or the validation part, by kind of picture."""

    people: list[Picture]
    """Pictures with at least one person box."""
    scenes: list[Picture]
    """Nobody in view: photographs and video frames at camera size."""
    plants: list[Picture]
    """Nobody in view: small pictures of leaves, weeds and ground, and made-up patterns."""


def load(testdata: Path, seed: int) -> tuple[Part, Part]:
    """All pictures that may be trained on -> the training part and the validation part."""
    rng = np.random.default_rng(seed)
    people, scenes = _coco(testdata / "images/coco-open", _held_out(testdata))
    people_split = _split(people, rng)
    scenes_split = _split(scenes, rng)
    videos = testdata / "videos"
    portrait = read(testdata / PORTRAIT)
    signer = [Picture(f, _whole(f, 0.2)) for f in frames(videos / "yes.mkv", 16)]
    driveway = _nobody(frames(videos / "car-detection.mp4", 40))
    belt = _nobody(frames(videos / "fruit-and-vegetable-detection.gif", 16))
    room = _nobody(frames(videos / "people-detection.gif", 2, EMPTY_ROOM_FROM))
    stills = _nobody([read(testdata / name) for name in STILLS])
    train = Part(
        [*people_split[0], Picture(portrait, _whole(portrait, 0.05)), *signer],
        [*scenes_split[0], *stills, *driveway, *belt],
        _plants(testdata, "train.txt", 900, rng),
    )
    held = Part(people_split[1], [*scenes_split[1], *room], _plants(testdata, "val.txt", 60, rng))
    return train, held


def _held_out(testdata: Path) -> set[int]:
    """COCO ids of the test set: the same photographs must not be trained on."""
    with (testdata / "images/vww01-open/labels_attribution.csv").open(newline="") as file:
        return {int(Path(row["file"]).stem) for row in csv.DictReader(file)}


def _coco(folder: Path, held_out: set[int]) -> tuple[list[Picture], list[Picture]]:
    """Photographs with people, photographs without."""
    index = json.loads((folder / "annotations.json").read_text())
    people: list[Picture] = []
    scenes: list[Picture] = []
    for entry in index["images"]:
        if entry["id"] in held_out:
            continue
        boxes = [
            (x, y, x + width, y + height)
            for x, y, width, height in (
                note["bbox"]
                for note in index["annotations"]
                if note["image_id"] == entry["id"] and note["category"] == "person"
            )
        ]
        image = read(folder / "images" / entry["file_name"])
        picture = Picture(image, np.array(boxes, np.float64).reshape(-1, 4))
        (people if boxes else scenes).append(picture)
    return people, scenes


def _split(
    pictures: list[Picture], rng: np.random.Generator
) -> tuple[list[Picture], list[Picture]]:
    order = rng.permutation(len(pictures))
    held = len(pictures) // 4
    return [pictures[i] for i in order[held:]], [pictures[i] for i in order[:held]]


def _plants(testdata: Path, listing: str, count: int, rng: np.random.Generator) -> list[Picture]:
    """`count` pictures of each data set's own split, and as many made-up patterns."""
    images = [pattern(rng) for _ in range(count)]
    for name in DATASETS:
        folder = testdata / "datasets" / name
        lines = (folder / listing).read_text().split()
        # plantvillage's `background` class has no stated origin.
        lines = [line for line in lines if "background" not in line]
        chosen = rng.permutation(len(lines))[:count]
        images += [read(folder / "images" / lines[i]) for i in chosen]
    return _nobody(images)


def frames(path: Path, step: int = 1, first: int = 0) -> list[Image]:
    """Every `step`-th frame of a video from `first` on."""
    capture = cv2.VideoCapture(str(path))
    images = []
    while True:
        done, image = capture.read()
        if not done:
            break
        images.append(np.asarray(image, np.uint8))
    if not images:
        raise FileNotFoundError(path)
    return images[first::step]


def read(path: Path) -> Image:
    """(height, width, 3) B,G,R."""
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(path)
    return np.asarray(image, np.uint8)


def _nobody(images: list[Image]) -> list[Picture]:
    return [Picture(image, np.empty((0, 4))) for image in images]


def _whole(image: Image, margin: float) -> NDArray[np.float64]:
    """One box over the picture but for a share of its width at the left and at the right."""
    height, width = image.shape[:2]
    return np.array([[width * margin, height * 0.05, width * (1 - margin), height]])
