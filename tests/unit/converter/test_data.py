"""Folders and lists of pictures, their order, and honest splits."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from converter import data
from converter.preparation import split
from edge.errors import FatalError
from edge.model import InputContract

CONTRACT = InputContract(width=4, height=4)


def picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((6, 8, 3), (value, 0, 255 - value), np.uint8))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for number in range(12):
        picture(tmp_path / "weed" / f"{number}.png", number)
        picture(tmp_path / "crop" / "deeper" / f"{number}.png", number)
    return tmp_path


def test_a_folder_per_class_in_the_order_of_the_labels(folders: Path) -> None:
    assert data.find(folders, ()).labels == ("crop", "weed")
    listing = data.find(folders, ("weed", "crop"))
    assert listing.labels == ("weed", "crop")
    assert {p.path.parts[-2] for p in listing.pictures if p.label == 0} == {"weed"}


def test_a_flat_folder_is_unlabelled(folders: Path) -> None:
    listing = data.find(folders / "weed", ("a", "b"))
    assert listing.labels == ()
    assert len(listing.pictures) == 12


def test_a_list_file_by_name_index_or_comma(folders: Path) -> None:
    file = folders / "list.txt"
    file.write_text("weed/1.png weed\nweed/2.png,crop\nweed/3.png 0\n")
    listing = data.find(file, ("crop", "weed"))
    assert [p.label for p in listing.pictures] == [1, 0, 0]
    file.write_text("weed/1.png cow\n")
    with pytest.raises(FatalError, match=r"line 1: 'cow' is not among the labels"):
        data.find(file, ("crop", "weed"))
    file.write_text("weed/1.png\n")
    assert data.find(file, ()).labels == ()


def test_pixels_come_through_the_devices_preprocessing(folders: Path, tmp_path: Path) -> None:
    (folders / "weed" / "broken.png").write_bytes(b"no picture")
    photos = data.read(data.find(folders, ()), CONTRACT, tmp_path, progress=False)
    assert photos.pixels.shape == (24, 4, 4, 3)
    assert photos.skipped == (str(folders / "weed" / "broken.png"),)
    number = int(photos.paths[0].stem)
    assert photos.pixels[0, 0, 0].tolist() == [255 - number, 0, number]


def test_one_class_only_is_refused(folders: Path, tmp_path: Path) -> None:
    listing = data.find(folders, ())
    weeds = data.Listing(listing.labels, tuple(p for p in listing.pictures if p.label == 1))
    with pytest.raises(FatalError, match="all pictures are 'weed'"):
        data.read(weeds, CONTRACT, tmp_path, progress=False)


def test_the_split_covers_every_class_and_never_overlaps(folders: Path, tmp_path: Path) -> None:
    photos = data.read(data.find(folders, ()), CONTRACT, tmp_path, progress=False)
    chosen, others = data.split(photos, 200)
    again, _ = data.split(photos, 200)
    assert photos.truth is not None
    assert set(photos.truth[chosen].tolist()) == {0, 1}
    assert sorted([*chosen, *others]) == list(range(24))
    np.testing.assert_array_equal(chosen, again)
    assert len(data.split(photos, 3)[0]) == 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_cut_picture_is_skipped(folders: Path, tmp_path: Path, suffix: str, share: float) -> None:
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 256, (8, 8, 3)).astype(np.uint8), (64, 64))
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1] if suffix == ".jpg" else []
    whole = cv2.imencode(suffix, image, progressive)[1].tobytes()
    (folders / "weed" / f"whole{suffix}").write_bytes(whole)
    cut = folders / "weed" / f"cut{suffix}"
    cut.write_bytes(whole[: int(len(whole) * share)])
    photos = data.read(data.find(folders, ()), CONTRACT, tmp_path, progress=False)
    assert photos.skipped == (str(cut),)


def test_the_end_of_a_jpegs_thumbnail_is_not_its_own() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    whole = cv2.imencode(".jpg", image)[1].tobytes()
    thumbnail = b"\xff\xe1" + (2 + len(whole)).to_bytes(2) + whole
    picture = whole[:2] + thumbnail + whole[2:]
    assert data.ends(picture)
    assert data.ends(picture + b"appended")
    assert not data.ends(picture[:-2])
    assert not data.ends(picture[: len(thumbnail) - 10])


def test_copies_of_what_calibrates_do_not_measure(tmp_path: Path) -> None:
    """Sixty rows of a list that name six files."""
    for number in range(12):
        picture(tmp_path / "p" / f"{number}.png", 20 * number)
    rows = [f"p/{number % 12}.png,{'crop' if number % 2 else 'weed'}" for number in range(120)]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    photos = data.read(data.find(tmp_path / "list.csv", ()), CONTRACT, tmp_path, progress=False)
    parts = split(photos, *data.split(photos, 4))
    assert parts.apart
    assert not set(parts.choosing.paths) & set(parts.held_out.paths)
    assert len(parts.held_out.paths) >= 80


def test_pictures_of_another_shape_are_noticed_and_stay_so(folders: Path, tmp_path: Path) -> None:
    photos = data.read(data.find(folders, ()), CONTRACT, tmp_path, progress=False)
    assert photos.shaped and photos.take(np.arange(3)).shaped
    wide = InputContract(width=8, height=6)
    assert not data.read(data.find(folders, ()), wide, tmp_path, progress=False).shaped
