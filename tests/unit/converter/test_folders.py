"""Folders that people have: what is read, what is left out, and which are classes."""

import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from converter import data
from converter.folders import HIDDEN, NOWHERE, TWICE, walk
from converter.training.options import TrainOptions
from converter.training.pictures import load
from edge.errors import FatalError
from edge.model import InputContract

CONTRACT = InputContract(width=4, height=4)
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Twelve pictures in each of these folders -> the folder of all."""

    def made(*folders: str, count: int = 12) -> Path:
        for at, folder in enumerate(folders):
            (tmp_path / "d" / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                path = tmp_path / "d" / folder / f"{number}.png"
                image = np.full((6, 8, 3), 10 * at + number, np.uint8)
                path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        return tmp_path / "d"

    return made


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints",
        ".git",
        "@eaDir",
        "__MACOSX",
        "lost+found",
        "$RECYCLE.BIN",
        "System Volume Information",
        "#recycle",
        "thumbs.db",
        ".Trash-1000",
    ],
)
def test_hidden_and_system_folders_are_left_out_and_counted(make: Make, name: str) -> None:
    folder = make("crop", "weed", name, f"crop/{name}")
    found = data.find(folder, ())
    assert found.labels == ("crop", "weed")
    assert len(found.pictures) == 24
    assert {why: len(files) for why, files in found.left_out} == {HIDDEN: 24}


def test_files_beside_are_counted_by_name(make: Make) -> None:
    folder = make("crop", "weed")
    for name in ("Thumbs.db", ".DS_Store", "crop/._1.png", "crop/notes.txt", "loose.png"):
        (folder / name).write_bytes(b"x")
    left_out = dict(data.find(folder, ()).left_out)
    assert sorted(left_out[HIDDEN]) == [".DS_Store", "Thumbs.db", "crop/._1.png"]
    assert left_out["files that are no pictures"] == ("crop/notes.txt",)
    assert left_out["pictures beside the class folders"] == ("loose.png",)


@pytest.mark.parametrize("names", [("train", "val"), ("train", "val", "test")])
@pytest.mark.parametrize("wrapper", ["", "images/"])
def test_a_split_is_understood_and_its_last_part_measures(
    make: Make, names: tuple[str, ...], wrapper: str
) -> None:
    folder = make(*(f"{wrapper}{name}/{label}" for name in names for label in ("crop", "weed")))
    found = data.find(folder, ())
    assert found.labels == ("crop", "weed")
    assert found.parts == names
    assert {picture.path.parts[-3] for picture in found.measuring.pictures} == {names[-1]}
    assert f"{names[-1]} measures" in found.notes[0]


@pytest.mark.parametrize(
    "names",
    [
        ("training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("Train", "VALID"),
    ],
)
def test_other_names_of_a_split(make: Make, names: tuple[str, ...]) -> None:
    folder = make(*(f"{name}/{label}" for name in names for label in ("crop", "weed")))
    found = data.find(folder, ())
    assert found.labels == ("crop", "weed")
    assert len(found.parts) == 2
    assert len(found.measuring.pictures) == 24


@pytest.mark.parametrize("names", [("train", "val"), ("train", "val", "test"), ("train", "test")])
def test_training_uses_the_split_of_the_folders(
    make: Make, tmp_path: Path, names: tuple[str, ...]
) -> None:
    random_ = np.random.default_rng(0)
    folder = make(*(f"{name}/{label}" for name in names for label in ("crop", "weed")), count=20)
    for path in folder.rglob("*.png"):  # no near-duplicates
        cv2.imwrite(str(path), random_.integers(0, 256, (9, 9, 3)).astype(np.uint8))
    sets = load(folder, TrainOptions(size=32, progress=False), tmp_path)
    parts = {"train": sets.training, "val": sets.validation, "test": sets.test}
    for name, part in parts.items():
        came_from = {path.parts[-3] for path in part.paths}
        assert came_from == ({name} if name in names else {"train"})


def test_a_split_with_unlabelled_test_pictures(make: Make) -> None:
    found = data.find(make("train/crop", "train/weed", "val/crop", "val/weed", "test"), ())
    assert found.parts == ("train", "val")
    assert dict(found.left_out).keys() == {"pictures of test/, which has no class folders"}


def test_loose_pictures_beside_a_wrapper_are_counted(make: Make) -> None:
    folder = make("images/crop", "images/weed")
    (folder / "overview.png").write_bytes(b"x")
    found = data.find(folder, ())
    assert found.labels == ("crop", "weed")
    assert dict(found.left_out) == {"pictures beside the class folders": ("overview.png",)}


@pytest.mark.parametrize("labels", [(), ("crop", "weed"), ("a", "b")])
@pytest.mark.parametrize("seed", range(8))
def test_every_picture_is_listed_or_left_out(
    tmp_path: Path, seed: int, labels: tuple[str, ...]
) -> None:
    random_ = random.Random(seed)
    names = ["crop", "weed", "train", "val", "test", "images", "more", "crop "]
    for _ in range(20):
        folder = tmp_path.joinpath(*random_.choices(names, k=random_.randint(0, 3)))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{random_.randint(0, 99)}.png").write_bytes(b"x")
    try:
        found = data.find(tmp_path, labels, strict=bool(seed % 2))
    except FatalError:
        return
    listed = [str(picture.path.relative_to(tmp_path)) for picture in found.pictures]
    left_out = [name for _, files in found.left_out for name in files]
    every = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")]
    assert sorted(listed + left_out) == sorted(every)


def test_a_class_may_be_called_train(make: Make) -> None:
    assert data.find(make("train", "bus", "car"), ()).labels == ("bus", "car", "train")
    assert data.find(make("test"), ("bus", "car", "test", "train")).labels[2] == "test"


def test_a_split_with_something_beside_it_is_refused_with_what_to_write(make: Make) -> None:
    folder = make("train/crop", "train/weed", "val/crop", "val/weed", "more")
    with pytest.raises(FatalError, match=r"give --data .*/val --calibration .*/train"):
        data.find(folder, ())


@pytest.mark.parametrize("wrapper", ["images", "PlantVillage/PlantVillage", "data/images"])
def test_class_folders_in_another_folder(make: Make, wrapper: str) -> None:
    found = data.find(make(f"{wrapper}/crop", f"{wrapper}/weed"), ())
    assert found.labels == ("crop", "weed")
    assert found.notes == (f"the class folders are those in {found.pictures[0].path.parents[1]}",)
    assert data.find(make(), ("crop", "weed")).labels == ("crop", "weed")
    assert data.find(make(), ("a", "b")).labels == ()


@pytest.mark.parametrize("suffix", [".jfif", ".JPG", ".jpe", ".webp", ".tif", ".gif", ".bmp", ""])
def test_every_ending_that_can_be_read_is_read(make: Make, tmp_path: Path, suffix: str) -> None:
    folder = make("crop", "weed")
    kinds = {".jfif": "JPEG", ".JPG": "JPEG", ".jpe": "JPEG", ".tif": "TIFF", "": "PNG"}
    picture = folder / "crop" / f"odd{suffix}"
    Image.new("RGB", (8, 6), (200, 10, 10)).save(picture, kinds.get(suffix, suffix[1:]))
    photos = data.read(data.find(folder, ()), CONTRACT, tmp_path, progress=False)
    assert picture in photos.paths
    assert abs(int(photos.pixels[photos.paths.index(picture), 0, 0, 0]) - 200) < 5


def test_what_opencv_does_not_read_is_counted_and_named(make: Make, tmp_path: Path) -> None:
    folder = make("crop", "weed")
    (folder / "crop" / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    photos = data.read(data.find(folder, ()), CONTRACT, tmp_path, progress=False)
    assert photos.skipped == (f"{folder}/crop/IMG_1.HEIC (.heic is not read: convert it to JPEG)",)


def test_links_are_read_once_and_make_no_circle(make: Make, tmp_path: Path) -> None:
    folder = make("crop", "weed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cv2.imwrite(str(elsewhere / "far.png"), np.zeros((4, 4, 3), np.uint8))
    (folder / "far").symlink_to(elsewhere)
    (folder / "far" / "back").symlink_to(folder)
    (folder / "crop" / "again.png").symlink_to(folder / "weed" / "1.png")
    (folder / "crop" / "self").symlink_to(folder / "crop")
    (folder / "weed" / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "weed" / "up").symlink_to("/")
    found = data.find(folder, ())
    assert found.labels == ("crop", "far", "weed")
    assert len(found.pictures) == 25
    left_out = dict(found.left_out)
    assert set(left_out[TWICE]) == {"far/back", "crop/again.png", "crop/self", "weed/up"}
    assert left_out[NOWHERE] == ("weed/gone.png",)


def test_a_class_folder_may_be_a_link(make: Make, tmp_path: Path) -> None:
    folder = make("crop")
    (tmp_path / "d").rename(tmp_path / "e")
    folder = make("weed")
    (folder / "crop").symlink_to(tmp_path / "e" / "crop")
    found = data.find(folder, ())
    assert found.labels == ("crop", "weed")
    assert len(found.pictures) == 24


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_labels_agree_in_any_unicode_form(make: Make, form: str) -> None:
    folder = make(unicodedata.normalize("NFD", "Möhre"), "weed")
    typed = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "Möhre")
    assert data.find(folder, ()).labels == ("Möhre", "weed")
    assert data.find(folder, ("weed", typed)).labels == ("weed", "Möhre")
    rows = folder / "list.txt"
    name = unicodedata.normalize("NFC", "Möhre")
    rows.write_text(f"{name}/1.png,{typed}\nweed/1.png,weed\n")
    found = data.find(rows, ())
    assert found.labels == ("Möhre", "weed")
    assert found.pictures[0].path.exists()


def test_two_folders_of_one_name_are_refused(make: Make) -> None:
    folder = make("Möhre", unicodedata.normalize("NFD", "Möhre"))
    with pytest.raises(FatalError, match="two folders are both called 'Möhre'"):
        data.find(folder, ())


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", os.fsdecode(b"caf\xe9")])
def test_a_folder_whose_name_is_no_label_is_refused(make: Make, name: str) -> None:
    with pytest.raises(FatalError, match="rename its folder"):
        data.find(make(name, "weed"), ())


def test_a_folder_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"looked for /"):
        data.find(Path("nowhere/at/all"), ())


@pytest.mark.parametrize("seed", range(20))
def test_what_is_read_and_what_is_left_out_are_all_files(tmp_path: Path, seed: int) -> None:
    """Against os.walk, on trees made by chance."""
    random_ = random.Random(seed)
    folders = [tmp_path]
    names = [
        "a",
        "b.c",
        ".hid",
        "@eaDir",
        "übel",
        "train",
        "x y",
        "Thumbs.db",
        os.fsdecode(b"\xff"),
    ]
    for _ in range(12):
        folder = random_.choice(folders) / random_.choice(names)
        folder.mkdir(exist_ok=True)
        folders.append(folder)
    for number in range(60):
        ending = random_.choice([".png", ".JPG", ".heic", ".txt", "", ".gif", ".tar.gz", "~"])
        path = random_.choice(folders) / f"{random_.choice(['', '.'])}{number}{ending}"
        path.write_bytes(random_.choice([b"", b"\x89PNG\r\n", b"text"]))
    tree = walk(tmp_path)
    told = [*tree.pictures, *(path for paths in tree.left_out.values() for path in paths)]
    every = [Path(folder) / name for folder, _, names_ in os.walk(tmp_path) for name in names_]
    assert sorted(told) == sorted(every)
    hidden = {
        path
        for path in every
        if any(p.startswith((".", "@", "T")) for p in path.relative_to(tmp_path).parts)
    }
    assert set(tree.left_out[HIDDEN]) == hidden


def test_folders_named_by_number_are_outputs_if_labels_are_typed(make: Make) -> None:
    found = data.find(make("0", "1", "2"), ("rock", "sand", "oak"))
    assert found.labels == ("rock", "sand", "oak")
    assert {(p.label, p.path.parent.name) for p in found.pictures} == {(0, "0"), (1, "1"), (2, "2")}


def test_blanks_around_a_folders_name_are_no_part_of_the_label(make: Make) -> None:
    assert data.find(make("crop ", "weed"), ("weed", "crop")).labels == ("weed", "crop")


def test_pictures_of_nothing_may_lie_in_any_folders(make: Make) -> None:
    """--negatives, --unlabelled and pack's --data ask for no labels and refuse no folder."""
    folder = make("train/a", "val/a", "more", "Möhre", unicodedata.normalize("NFD", "Möhre"), ".x")
    (folder / "empty").mkdir()
    found = data.every(folder)
    assert (found.labels, len(found.pictures)) == ((), 60)
