"""A folder's pictures -> the folders that hold class folders, and what each is for.

`images/CLASS`, `train/CLASS val/CLASS`, and both in each other.
"""

import re
from collections import defaultdict
from pathlib import Path

from converter.folders import Tree
from edge.errors import FatalError
from edge.text import composed, shown

PARTS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
}
"""Words in the names of a split's folders, and what each is for."""
USES = ("train", "val", "test")
"""The last of these that is there measures; the others may be learned from."""

Groups = dict[str, list[Path]]
"""Pictures by the folder below some base that they lie in; "" for those directly in it."""


def label_of(name: str) -> str:
    """The label that a folder's name is: in Unicode's composed form, without blanks around it."""
    return composed(name).strip()


def grouped(tree: Tree, base: Path) -> Groups:
    """The pictures of `tree` that lie in `base`."""
    groups: Groups = defaultdict(list)
    for path in tree.pictures:
        if path.is_relative_to(base):
            below = path.relative_to(base).parts
            groups[below[0] if len(below) > 1 else ""].append(path)
    return groups


def _base(tree: Tree, top: Path, labels: tuple[str, ...]) -> Path:
    """Where the class folders lie: below folders that hold one other folder."""
    base, names = top, [name for name in grouped(tree, top) if name]
    while len(names) == 1 and label_of(names[0]) not in labels:
        base = base / names[0]
        names = [name for name in grouped(tree, base) if name]
    below = {label_of(name) for name in names}
    fits = not labels or below <= set(labels) or _is_split(below)
    return base if below and fits else top


def part_of(name: str) -> str:
    """What a folder of this name is for in a split: `train`, `seg_test`, `validation-set`, ..."""
    words = [word for word in re.split(r"[\W_]+", name.casefold()) if word in PARTS]
    return PARTS[words[0]] if len(words) == 1 else ""


def _is_split(names: set[str]) -> bool:
    return len({part_of(name) for name in names} - {""}) > 1


def bases(
    tree: Tree, labels: tuple[str, ...]
) -> tuple[list[tuple[str, Path]], list[tuple[str, list[Path]]]]:
    """The folders that hold class folders, each with its use, and what is left out beside them.

    Raises FatalError if a split has class folders beside it.
    """
    base = _base(tree, tree.top, labels)
    left_out = list(tree.left_out.items())
    groups = grouped(tree, base)
    names = sorted(name for name in groups if name)
    if not _is_split(set(names)) or {label_of(name) for name in names} <= set(labels):
        return [("", base)], left_out
    inner = {name: _base(tree, base / name, labels) for name in names}
    with_classes = [name for name in names if len(set(grouped(tree, inner[name])) - {""}) > 1]
    uses = {part_of(name) for name in with_classes} - {""}
    strangers = [name for name in names if not part_of(name)]
    if len(uses) > 1 and strangers:
        raise FatalError(
            f"{base}: {with_classes[0]} and {with_classes[-1]} look like a split, but "
            f"{shown(strangers[0])} lies beside them: give --data {base / with_classes[-1]} "
            f"--calibration {base / with_classes[0]}, or move {shown(strangers[0])} away"
        )
    if not uses:
        return [("" if strangers else part_of(name), inner[name]) for name in names], left_out
    left_out += [
        (f"pictures of {name}/, which has no class folders", groups[name])
        for name in names
        if name not in with_classes
    ]
    return [(part_of(name), inner[name]) for name in with_classes], left_out
