"""A folder as people keep it -> its pictures, and every other file with why it is left out."""

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

READ = frozenset(
    [
        ".avif",
        ".bmp",
        ".dib",
        ".gif",
        ".jfif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
"""Endings of pictures that OpenCV reads, some of them only in newer builds."""
UNREAD = frozenset(
    [
        ".arw",
        ".cr2",
        ".cr3",
        ".dng",
        ".heic",
        ".heics",
        ".heif",
        ".jxl",
        ".nef",
        ".orf",
        ".psd",
        ".raf",
        ".rw2",
        ".svg",
        ".xcf",
    ]
)
"""Endings of pictures that it does not read: they are counted among the pictures and named."""
PICTURES = READ | UNREAD

SYSTEM = frozenset(
    name.casefold()
    for name in (
        "@eaDir",
        "@Recycle",
        "@tmp",
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "__MACOSX",
        "__pycache__",
        "desktop.ini",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "FOUND.000",
        "lost+found",
        "RECYCLER",
        "System Volume Information",
        "Thumbs.db",
    )
)
"""What Windows, macOS, Synology, QNAP and Linux put beside people's files."""

HIDDEN = "hidden or system files"
OTHER = "files that are no pictures"
TWICE = "links to what is read already"
NOWHERE = "links that lead nowhere"
CLOSED = "folders that may not be opened"
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""First bytes of pictures, for files whose name has no ending."""


@dataclass(slots=True)
class Tree:
    """What a folder and its subfolders hold. Pictures and what is left out are all its files."""

    top: Path
    pictures: list[Path] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Paths by the reason."""
    folders: list[Path] = field(default_factory=list)
    """All visible folders below `top`."""


def walk(top: Path) -> Tree:
    """Every file of `top`. Links are followed once: none makes a circle or a second copy."""
    tree = Tree(top)
    seen: set[str] = set()
    links: list[Path] = []
    _folder(tree, top, seen, links)
    while links:  # what lies there itself comes first, so that a link never takes its place
        _link(tree, links.pop(0), seen, links)
    tree.pictures.sort()
    tree.folders.sort()
    return tree


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is none that a person put there."""
    return name.startswith(".") or name.casefold() in SYSTEM


def _folder(tree: Tree, folder: Path, seen: set[str], links: list[Path]) -> None:
    """All of a folder but its links, which are put off."""
    waiting = [folder]
    while waiting:
        one = waiting.pop()
        place = os.path.realpath(one)
        if place in seen:
            tree.left_out[TWICE].append(one)
            continue
        seen.add(place)
        for entry in _entries(tree, one):
            path = one / entry.name
            if is_system(entry.name):
                tree.left_out[HIDDEN] += _files_below(path)
            elif entry.is_symlink():
                links.append(path)
            elif entry.is_dir():
                waiting.append(path)
                tree.folders.append(path)
            elif (inside := f"{place}/{entry.name}") not in seen:
                seen.add(inside)
                _file(tree, path)


def _link(tree: Tree, path: Path, seen: set[str], links: list[Path]) -> None:
    target = os.path.realpath(path)
    if not os.path.exists(target):  # noqa: PTH110 - a string, from realpath
        tree.left_out[NOWHERE].append(path)
    elif target in seen or Path(target) in Path(os.path.realpath(tree.top)).parents:
        tree.left_out[TWICE].append(path)
    elif os.path.isdir(target):  # noqa: PTH112
        tree.folders.append(path)
        _folder(tree, path, seen, links)
    else:
        seen.add(target)
        _file(tree, path)


def _file(tree: Tree, path: Path) -> None:
    ending = path.suffix.lower()
    if path.is_file() and (ending in PICTURES or (not ending and _starts_as_picture(path))):
        tree.pictures.append(path)
    else:
        tree.left_out[OTHER].append(path)


def _entries(tree: Tree, folder: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        tree.left_out[CLOSED].append(folder)
        return
    yield from found


def _files_below(path: Path) -> list[Path]:
    """The file itself, or all files of a folder."""
    if path.is_symlink() or not path.is_dir():
        return [path]
    return [Path(folder) / name for folder, _, names in os.walk(path) for name in names]


def _starts_as_picture(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    return start.startswith(STARTS) or (start[:4] == b"RIFF" and start[8:] == b"WEBP")
