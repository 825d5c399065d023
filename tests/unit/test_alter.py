"""Rotation, flip, crop and masks: what is masked never gets out."""

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.alter import Alter, Alteration, hidden
from edge.config import SourceConfig
from edge.sources import open_source
from edge.types import Image
from tests.conftest import Edge, Mosquitto

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
POINTS = st.tuples(st.floats(0, 1), st.floats(0, 1))
RINGS = st.lists(POINTS, min_size=3, max_size=6).map(tuple)
SPANS = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda span: span[0] < span[1])


def picture(size: tuple[int, int]) -> Image:
    """Every pixel says where it is, and none is black."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    return np.dstack([rows + 1, columns + 1, np.full(size, 255)]).astype(np.uint8)


def places(image: Image) -> set[tuple[int, int]]:
    """Which pixels of `picture` can be seen."""
    seen = image[image.any(axis=2)]
    return {(int(row) - 1, int(column) - 1) for row, column, _ in seen}


def test_nothing_set_costs_nothing(testdata: Path) -> None:
    config = SourceConfig(uri=f"file:{testdata}/videos/yes.mkv")
    assert type(open_source(config)).__name__ == "Video"


@given(size=SIZES, turns=st.lists(st.sampled_from([90, 180, 270]), max_size=6))
def test_turns_add_up_and_come_round(size: tuple[int, int], turns: list[int]) -> None:
    image = made = picture(size)
    for turn in turns:
        made = Alter(Alteration(rotate=turn))(made)
    whole = sum(turns) % 360
    assert np.array_equal(made, Alter(Alteration(rotate=whole))(image))
    assert np.array_equal(Alter(Alteration(rotate=(360 - whole) % 360))(made), image)


def test_a_turn_is_clockwise_and_a_flip_comes_after_it() -> None:
    image = picture((2, 3))
    turned = Alter(Alteration(rotate=90))(image)
    assert turned.shape == (3, 2, 3)
    assert tuple(turned[0, 1, :2]) == (1, 1), "top left goes to top right"
    both = Alter(Alteration(rotate=90, flip="horizontal"))(image)
    assert tuple(both[0, 0, :2]) == (1, 1)
    assert tuple(Alter(Alteration(flip="vertical"))(image)[0, 0, :2]) == (2, 1)
    assert np.array_equal(
        Alter(Alteration(flip="both"))(image), Alter(Alteration(rotate=180))(image)
    )


@given(size=SIZES, x=SPANS, y=SPANS)
def test_a_crop_is_at_least_a_pixel_and_nothing_from_outside(
    size: tuple[int, int], x: tuple[float, float], y: tuple[float, float]
) -> None:
    made = Alter(Alteration(crop=(x[0], y[0], x[1], y[1])))(picture(size))
    assert made.size
    height, width = size
    for row, column in places(made):
        assert y[0] * height - 1 < row < y[1] * height + 1
        assert x[0] * width - 1 < column < x[1] * width + 1


@given(
    size=SIZES,
    ring=RINGS,
    inside=st.lists(st.floats(0, 1), min_size=6, max_size=6),
    x=SPANS,
    y=SPANS,
)
@example((1, 3), ((0.0, 0.0), (0.0, 0.0), (1.0, 1.0)), [0.0] * 6, (0.0, 1.0), (0.0, 1.0))
def test_no_pixel_that_a_mask_touches_gets_out(
    size: tuple[int, int],
    ring: tuple[tuple[float, float], ...],
    inside: list[float],
    x: tuple[float, float],
    y: tuple[float, float],
) -> None:
    """Whatever the crop, and whichever corner of a pixel a mask's edge touches."""
    height, width = size
    made = Alteration(crop=(x[0], y[0], x[1], y[1]), masks=(ring,))
    seen = places(Alter(made)(picture(size)))
    around = [*ring, ring[0]]
    for share in inside:  # points on the mask's edge
        for (x0, y0), (x1, y1) in pairwise(around):
            column = min(int((x0 + share * (x1 - x0)) * width), width - 1)
            row = min(int((y0 + share * (y1 - y0)) * height), height - 1)
            assert (row, column) not in seen
    polygon = np.array(ring, np.float32) * (width, height)
    for row, column in seen:
        middle = (column + 0.5, row + 0.5)
        assert cv2.pointPolygonTest(polygon.astype(np.float32), middle, False) <= 0


@given(size=SIZES, ring=RINGS)
def test_the_same_mask_hides_the_same_under_every_crop(
    size: tuple[int, int], ring: tuple[tuple[float, float], ...]
) -> None:
    whole = places(Alter(Alteration(masks=(ring,)))(picture(size)))
    part = places(Alter(Alteration(crop=(0.25, 0.25, 0.75, 0.75), masks=(ring,)))(picture(size)))
    assert part <= whole


def test_a_mask_hides_little_more_than_its_polygon() -> None:
    drawn = hidden((((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)),), 100, 100)
    assert 2500 <= np.count_nonzero(drawn) <= 54 * 54


def test_masks_follow_a_stream_that_changes_its_resolution_and_spare_the_original() -> None:
    alter = Alter(Alteration(masks=(((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)))
    for size in ((20, 30), (30, 20), (20, 30)):
        image = picture(size)
        made = alter(image)
        assert made.shape == image.shape
        assert not made[:, : size[1] // 2].any() and made[:, size[1] // 2 + 2 :].all()
        assert image.all()


@pytest.mark.usefixtures("demo_photographs")
def test_no_source_gets_past_its_mask(
    edge: Edge, mosquitto: Mosquitto, vww: Path, tmp_path: Path
) -> None:
    """Through `edge run` and `edge capture`: what is stored is masked, turned and cut."""
    config, out, media = tmp_path / "edge.toml", tmp_path / "pictures", tmp_path / "media"
    config.write_text(
        f'model.path = "{vww}"\nmqtt.broker = "{mosquitto.address}"\n'
        f'[record]\nsnapshots = true\ndraw = false\nfolder = "{media}"\n'
        "[events]\nenter = 0.0\nleave = 0.0\n"
        '[source.cam]\nuri = "demo:?fps=0"\nrotate = 90\ncrop = [0.0, 0.5, 1.0, 1.0]\n'
        "[source.cam.mask.half]\npolygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]\n"
    )
    ran = edge("run", "--config", config, "--json")
    assert ran.returncode == 0, ran.stderr
    assert any(json.loads(line)["schema"] == "hedgerow.event/1" for line in ran.stdout.splitlines())
    captured = edge("capture", "--config", config, "--source", "cam", "--out", out, "--count", "3")
    assert captured.returncode == 0, captured.stderr
    stored = [*media.rglob("*.jpg"), *out.glob("*.jpg")]
    assert len(stored) >= 4
    for path in stored:
        image = cv2.imread(str(path))
        assert image is not None and image.shape == (320, 480, 3)
        assert image[:, :232].max() < 16, "black, but for what JPEG makes of it"
        assert image[:, 250:].mean() > 16
    wrong = edge("capture", "--config", config, "--source", "sauce", "--out", out)
    assert wrong.returncode == 78
    assert "there is no source 'sauce'; there are cam" in wrong.stderr
