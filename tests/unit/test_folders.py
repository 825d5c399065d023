"""What a folder holds: against os.walk and the paths behind every link."""

import os
import random
from pathlib import Path

import pytest

from edge.folders import BROKEN, CLOSED, HIDDEN, READABLE, TWICE, Listing, is_hidden, listed

NAMES = [
    "a.png", "b.JPG", "c.jfif", "d.webp", "e.TIF", "f.HEIC", "g.txt", "h", ".i.png", "._j.jpg",
    "Thumbs.db", "desktop.ini", "k.gif", "l.jpeg.part", "\udce9.png", "m\n.bmp", "ü.png",
]  # fmt: skip
FOLDERS = [
    "x", "y.png", ".ipynb_checkpoints", "@eaDir", "__MACOSX", ".git", "$RECYCLE.BIN", "#recycle",
    "lost+found", "System Volume Information", "ß",
]  # fmt: skip


def grown(root: Path, chance: random.Random) -> None:
    """A tree of real files and folders."""
    folders = [root]
    for _ in range(chance.randrange(1, 12)):
        folder = chance.choice(folders) / chance.choice(FOLDERS)
        folder.mkdir(exist_ok=True)
        folders.append(folder)
    for _ in range(chance.randrange(40)):
        path = chance.choice(folders) / chance.choice(NAMES)
        if not path.exists():
            path.write_text(str(path.relative_to(root).parts), errors="replace")


def linked(root: Path, outside: Path, chance: random.Random) -> None:
    """Links to all kinds of places: files, folders, above, each other, nothing."""
    inside = [root, *(path for path in root.rglob("*") if path.parent == root)]
    targets = [*inside, root.parent, outside, *outside.rglob("*"), root / "gone"]
    for number in range(chance.randrange(8)):
        ending = chance.choice(["", ".png", ".jpg"])
        (root / f"link{number}{ending}").symlink_to(chance.choice(targets))


def all_of(listing: Listing) -> list[Path]:
    return [*listing.pictures, *(path for paths in listing.left_out.values() for path in paths)]


@pytest.mark.parametrize("seed", range(40))
def test_read_and_left_out_are_all_there_is(tmp_path: Path, seed: int) -> None:
    grown(tmp_path, random.Random(seed))
    found = listed(tmp_path)
    everything = [Path(folder) / name for folder, _, names in os.walk(tmp_path) for name in names]
    assert sorted(all_of(found)) == sorted(everything)
    right = [
        path
        for path in everything
        if path.suffix.lower() in READABLE
        and not any(is_hidden(part) for part in path.relative_to(tmp_path).parts)
    ]
    assert list(found.pictures) == sorted(right)
    assert found.pictures == listed(tmp_path, count_hidden=False).pictures
    assert "\n" not in found.said(tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_links_show_every_picture_once_and_end(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    grown(root, chance)
    grown(outside, chance)
    real = listed(root).pictures
    linked(root, outside, chance)
    found = listed(root)
    targets = [path.resolve() for path in found.pictures]
    assert len(set(targets)) == len(targets), "each once"
    assert set(real) <= set(found.pictures), "under its own name"
    links = [path for path in root.iterdir() if path.is_symlink()]
    for link in links:
        if link.is_dir() and outside == link.resolve():
            there = {path.resolve() for path in listed(outside).pictures}
            assert there <= set(targets)


def test_a_folder_that_is_a_link_is_read_and_a_circle_is_not(tmp_path: Path) -> None:
    for name in ("set/one/a.png", "set/b.png", "elsewhere/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    root = tmp_path / "set"
    for name, target in {
        "0": "one", "more": "../elsewhere", "again": "../elsewhere", "up": "..", "self": "self",
        "gone.png": "nothing.png", "second.png": "b.png", "far.png": "../elsewhere/c.png",
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    found = listed(root)
    assert len(found.pictures) == 3
    assert {root / "b.png", root / "one/a.png"} < set(found.pictures)
    assert found.left_out[BROKEN] == (root / "gone.png", root / "self")
    assert len(found.left_out[TWICE]) == 5 - len(
        [path for path in found.pictures if path.is_symlink()]
    )
    assert len(all_of(found)) == 3 + 2 + len(found.left_out[TWICE])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every folder")
def test_a_folder_that_may_not_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert listed(tmp_path).left_out == {CLOSED: (tmp_path / "closed",)}


def test_a_folder_that_is_hidden_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/a.png").touch()
    assert len(listed(tmp_path / ".cache").pictures) == 1
    assert listed(tmp_path).left_out == {HIDDEN: (tmp_path / ".cache/a.png",)}
