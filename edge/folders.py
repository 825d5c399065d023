"""A folder as people have it -> its pictures, each once, and what is left out, with the reasons."""

import os
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.text import shown

READABLE = {
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
}  # fmt: skip
OTHER_PICTURES = {
    ".arw", ".avif", ".cr2", ".cr3", ".dng", ".heic", ".heif", ".jp2", ".jxl", ".nef", ".orf",
    ".psd", ".raf", ".raw", ".rw2", ".svg", ".tga",
}  # fmt: skip
SYSTEM = {
    "#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recycle", "@tmp", "__macosx",
    "__pycache__", "desktop.ini", "ehthumbs.db", "found.000", "lost+found",
    "network trash folder", "recycler", "system volume information", "temporary items", "thumbs.db",
}  # fmt: skip
"""What NAS boxes, Windows and archives put beside pictures, in lower case; also every name that
begins with a dot."""
HIDDEN = "hidden or a system's"
OTHER_KIND = "of a kind that cannot be read: save as JPEG or PNG"
NO_PICTURE = "no picture"
TWICE = "a link to what is read already"
BROKEN = "a link to what is not there"
CLOSED = "that may not be opened"
NAMED = 3
"""So many of each reason are named."""

Node = tuple[int, int]
"""A file's device and inode: the same under all its names."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a folder and its folders hold."""

    pictures: tuple[Path, ...]
    """In the order of their names."""
    left_out: dict[str, tuple[Path, ...]]
    """By reason."""

    def of_other_kinds(self) -> tuple[Path, ...]:
        """Pictures that nothing here can read."""
        return self.left_out.get(OTHER_KIND, ())

    def said(self, folder: Path) -> str:
        """One line: how many are left out, why, and the first of them; empty where none is."""
        count = sum(map(len, self.left_out.values()))
        parts = (
            f"{len(paths)} {reason} ({_named(paths, folder)})"
            for reason, paths in self.left_out.items()
        )
        total = count + len(self.pictures)
        return f"{count} of {total} files are left out: {', '.join(parts)}" if count else ""


def listed(folder: Path, *, count_hidden: bool = True) -> Listing:
    """Every file under a folder, once. Links are followed, but never to where the walk has been.

    A real file goes before a link to it. Without `count_hidden`, hidden folders are not entered to
    count what they hold. Raises OSError where the folder itself cannot be read.
    """
    walk = _Walk(folder, count_hidden)
    walk.go()
    left_out = {reason: tuple(sorted(paths)) for reason, paths in sorted(walk.left_out.items())}
    return Listing(tuple(sorted(walk.pictures)), left_out)


def is_hidden(name: str) -> bool:
    """Whether a name is one that people do not see, or that no person gave."""
    return name.startswith(".") or name.lower() in SYSTEM


class _Walk:
    """Real folders first, then the links that were met on the way."""

    def __init__(self, folder: Path, count_hidden: bool) -> None:
        self.pictures: list[Path] = []
        self.left_out: dict[str, list[Path]] = defaultdict(list)
        self._count_hidden = count_hidden
        self._folders = deque([(folder, "")])
        self._links: deque[Path] = deque()
        # A link to what lies above would be a circle.
        self._seen = {_node(parent.stat()) for parent in folder.resolve().parents}

    def go(self) -> None:
        """Walks to the end. Raises OSError for the first folder."""
        root = self._folders[0][0]
        with os.scandir(root):
            pass
        while self._folders or self._links:
            if not self._folders:
                self._follow(self._links.popleft())
                continue
            folder, why = self._folders.pop()
            try:
                self._enter(folder, why)
            except OSError:
                self.left_out[CLOSED].append(folder)

    def _enter(self, folder: Path, why: str) -> None:
        status = folder.stat()
        if _node(status) in self._seen:  # a link has led into it
            return
        self._seen.add(_node(status))
        with os.scandir(folder) as entries:
            for entry in entries:
                path = folder / entry.name
                reason = why or (HIDDEN if is_hidden(entry.name) else "")
                if entry.is_symlink() and not reason:
                    # Folders first: what lies in them goes before links to it.
                    (self._links.appendleft if path.is_dir() else self._links.append)(path)
                elif entry.is_dir(follow_symlinks=False):
                    if self._count_hidden or not reason:
                        self._folders.append((path, reason))
                else:
                    self._seen.add((status.st_dev, entry.inode()))
                    self._take(path, reason, entry.is_file(follow_symlinks=False))

    def _follow(self, link: Path) -> None:
        try:
            node = _node(link.stat())
        except OSError:
            self.left_out[BROKEN].append(link)
            return
        if node in self._seen:
            self.left_out[TWICE].append(link)
        elif link.is_dir():
            self._folders.append((link, ""))
        else:
            self._seen.add(node)
            self._take(link, "", link.is_file())

    def _take(self, path: Path, reason: str, regular: bool) -> None:
        ending = path.suffix.lower()
        if not reason and ending in OTHER_PICTURES:
            reason = OTHER_KIND
        elif not reason and not (regular and ending in READABLE):
            reason = NO_PICTURE
        if reason:
            self.left_out[reason].append(path)
        else:
            self.pictures.append(path)


def _node(status: os.stat_result) -> Node:
    return status.st_dev, status.st_ino


def _named(paths: tuple[Path, ...], folder: Path) -> str:
    return ", ".join(_names(paths, folder))


def _names(paths: tuple[Path, ...], folder: Path) -> Iterator[str]:
    for path in paths[:NAMED]:
        yield shown(str(path.relative_to(folder)), 80)
    if len(paths) > NAMED:
        yield "..."
