"""A folder or a list of pictures -> which pictures, of which label, for what, and what is left out.

Folders that people have: one per class, in `images/` or not, split into `train/ val/ test/` or not.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from converter import picture_lists
from converter.folders import Tree, walk
from converter.splits import USES, Groups, bases, grouped, label_of, part_of
from edge.errors import FatalError
from edge.text import composed, shown

NAMES_SHOWN = 3
BESIDE = "pictures beside the class folders"


@dataclass(frozen=True, slots=True)
class Picture:
    """One file; its label is an index, or None if nobody said."""

    path: Path
    label: int | None = None
    part: str = ""
    """train, val or test, if the data is split."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures that were found, unread."""

    labels: tuple[str, ...]
    """Empty if the data is not labelled."""
    pictures: tuple[Picture, ...]
    left_out: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Why, and which files."""
    notes: tuple[str, ...] = ()
    """What was understood of the folders, a sentence each."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The uses that the data is split into; empty if it is not."""
        present = {picture.part for picture in self.pictures}
        return tuple(part for part in USES if part in present)

    def of(self, *parts: str) -> "Listing":
        """The pictures of these parts alone."""
        chosen = tuple(picture for picture in self.pictures if picture.part in parts)
        return replace(self, pictures=chosen)

    @property
    def measuring(self) -> "Listing":
        """All pictures; of split data, those of its last part."""
        return self.of(self.parts[-1]) if self.parts else self


def described(left_out: tuple[tuple[str, tuple[str, ...]], ...]) -> list[str]:
    """`12 hidden or system files (.DS_Store, …)` for every reason."""
    return [
        f"{len(files)} {reason} ({shown(', '.join(files[:NAMES_SHOWN]))}"
        f"{', …' if len(files) > NAMES_SHOWN else ''})"
        for reason, files in left_out
    ]


def find(data: Path, labels: tuple[str, ...], strict: bool = True) -> Listing:
    """A folder per class, a split of such folders, a list file, or a flat folder.

    Raises FatalError if there is nothing, or (strict) if names and labels do not agree;
    otherwise pictures under other names are unlabelled.
    """
    labels = tuple(composed(label) for label in labels)
    if data.is_file():
        return _from_list(data, labels)
    if not data.is_dir():
        raise FatalError(_not_there(data))
    tree = walk(data)
    parts, left_out = bases(tree, labels)
    classes = {(part, base): _classes(tree, base) for part, base in parts}
    listing = _labelled(tree, classes, labels, strict)
    listed = {picture.path for picture in listing.pictures}
    told = {why: [path for path in paths if path not in listed] for why, paths in left_out}
    listed.update(path for paths in told.values() for path in paths)
    told[BESIDE] = [path for path in tree.pictures if path not in listed]
    named = {why: tuple(str(p.relative_to(data)) for p in paths) for why, paths in told.items()}
    return replace(listing, left_out=tuple((why, files) for why, files in named.items() if files))


def _classes(tree: Tree, base: Path) -> Groups:
    """Pictures by their folder's name in Unicode's composed form. Raises FatalError."""
    classes: Groups = {}
    for name, paths in sorted(grouped(tree, base).items()):
        label = label_of(name)
        if label in classes:
            raise FatalError(f"{base}: two folders are both called {label!r}: rename one")
        classes[label] = paths
    return classes


def every(data: Path) -> Listing:
    """All pictures of a folder or list, whatever their labels. Raises FatalError."""
    if data.is_file():
        return Listing((), tuple(Picture(row.path) for row in picture_lists.read(data)))
    if not data.is_dir():
        raise FatalError(_not_there(data))
    return Listing((), tuple(Picture(path) for path in walk(data).pictures))


def _not_there(data: Path) -> str:
    return f"{data}: there is no such folder or list of pictures (looked for {data.absolute()})"


Classes = dict[tuple[str, Path], Groups]


def _labelled(tree: Tree, classes: Classes, labels: tuple[str, ...], strict: bool) -> Listing:
    """Labels for the pictures of all class folders. Raises FatalError."""
    names = sorted({name for groups in classes.values() for name in groups if name})
    if not names or (len(names) == 1 and names[0] not in labels):
        return _unlabelled(tree, classes)
    strangers = [name for name in names if _index(name, labels) is None] if labels else []
    if strangers and not strict:
        return _unlabelled(tree, classes)
    _refuse_folders(tree, classes, labels, strangers)
    for name in names:
        _refuse_odd(name)
    labels = labels or tuple(names)
    pictures = tuple(
        Picture(path, _index(name, labels), part)
        for (part, _), groups in classes.items()
        for name, paths in groups.items()
        if name
        for path in paths
    )
    return Listing(labels, pictures, notes=_notes(tree, classes))


def _unlabelled(tree: Tree, classes: Classes) -> Listing:
    """All pictures; those of a split with its parts."""
    parts = {
        path: part
        for (part, _), groups in classes.items()
        for paths in groups.values()
        for path in paths
    }
    return Listing((), tuple(Picture(path, None, parts.get(path, "")) for path in tree.pictures))


def _refuse_folders(
    tree: Tree, classes: Classes, labels: tuple[str, ...], strangers: list[str]
) -> None:
    """Raises FatalError for a class without pictures, or one that is no label."""
    (part, base), groups = next(iter(classes.items()))
    if strangers:
        where = next(base for (_, base), groups in classes.items() if strangers[0] in groups)
        raise FatalError(
            f"{shown(str(where / strangers[0]))}: no label has this folder's name; "
            f"the labels are {', '.join(labels[:8])}"
        )
    folders = [folder for folder in tree.folders if folder.parent == base]
    empty = [folder for folder in folders if label_of(folder.name) not in groups]
    if empty and not labels and not part:
        raise FatalError(f"{empty[0]}: holds no pictures: add some, or remove the folder")


def _refuse_odd(name: str) -> None:
    """Raises FatalError for a label that no line of text can show."""
    if shown(name) != name:
        raise FatalError(
            f"the label {shown(name, 60)!r} has a control character, is not UTF-8 or is longer "
            "than 200 characters: rename its folder or edit the list"
        )


def _notes(tree: Tree, classes: Classes) -> tuple[str, ...]:
    parts = [part for part in USES if part in {part for part, _ in classes}]
    if parts:
        return (_split_note(tuple(parts)),)
    base = next(iter(classes))[1]
    return () if base == tree.top else (f"the class folders are those in {shown(str(base))}",)


def _split_note(parts: tuple[str, ...]) -> str:
    learn = " and ".join(parts[:-1]) or "nothing"
    return f"the data is a split: {parts[-1]} measures, {learn} calibrates"


def _from_list(data: Path, labels: tuple[str, ...]) -> Listing:
    rows = picture_lists.read(data)
    names = {composed(row.label) for row in rows if row.label}
    if not rows:
        raise FatalError(f"{data}: holds no pictures: expected one `path,label` a line")
    if not names:
        return Listing((), tuple(Picture(row.path) for row in rows))
    labels = labels or _in_order(names)
    first = _first_number(names, labels)
    pictures = []
    for row in rows:
        if not row.label:
            raise FatalError(f"{data}: line {row.line}: {shown(str(row.path))} has no label")
        index = _index(composed(row.label), labels, first)
        if index is None:
            raise FatalError(
                f"{data}: line {row.line}: {shown(row.label)!r} is not among the labels "
                f"{', '.join(labels[:8])}"
            )
        pictures.append(Picture(row.path, index, part_of(row.part)))
    for label in labels:
        _refuse_odd(label)
    return _whole_split(Listing(labels, tuple(pictures)))


def _whole_split(listing: Listing) -> Listing:
    """The listing, without its parts if some picture has none or all have the same."""
    if len(listing.parts) > 1 and all(picture.part for picture in listing.pictures):
        return replace(listing, notes=(_split_note(listing.parts),))
    pictures = tuple(replace(picture, part="") for picture in listing.pictures)
    return replace(listing, pictures=pictures)


def _in_order(names: set[str]) -> tuple[str, ...]:
    """Sorted; numbers are the network's outputs: 10 is output 10, and those between are there."""
    if not all(name.isdecimal() for name in names):
        return tuple(sorted(names))
    numbers = {int(name): name for name in names}
    if 0 in numbers and max(numbers) < 2 * len(numbers):
        return tuple(numbers.get(number, str(number)) for number in range(max(numbers) + 1))
    return tuple(numbers[number] for number in sorted(numbers))


def _first_number(names: set[str], labels: tuple[str, ...]) -> int:
    """Whether numbers that stand for labels count from 0 or from 1: from 1 if the last is the
    number of labels and none is 0."""
    if names <= set(labels) or not all(name.isdecimal() for name in names):
        return 0
    numbers = set(map(int, names))
    return int(0 not in numbers and max(numbers) == len(labels))


def _index(label: str, labels: tuple[str, ...], first: int = 0) -> int | None:
    if label in labels:
        return labels.index(label)
    if label.isdecimal() and first <= int(label) < first + len(labels):
        return int(label) - first
    return None
