"""The cells of a list of pictures -> in which columns paths, labels and uses stand. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path

from converter.folders import PICTURES
from converter.splits import part_of

PATH_NAMES = frozenset(
    [
        "path",
        "file",
        "filename",
        "filepath",
        "image",
        "img",
        "imagepath",
        "imagename",
        "imagefile",
        "picture",
        "photo",
    ]
)
ID_NAMES = frozenset(["id", "imageid"])
"""They name the pictures of a list that has no other column for that."""
LABEL_NAMES = frozenset(
    [
        "label",
        "labels",
        "class",
        "classname",
        "classid",
        "category",
        "target",
        "species",
        "y",
    ]
)
LABEL_PARTS = ("label", "class", "species", "category")
"""What the name of a label's column has in it, if it is none of those."""
PART_NAMES = frozenset(["split", "set", "subset", "partition", "usage"])
COUNTING = frozenset(["", "index", "unnamed0", *ID_NAMES])
"""Columns that only number the rows, as pandas writes them."""
MARKS = {"0": False, "0.0": False, "1": True, "1.0": True, "false": False, "true": True}
"""Cells of a table with a column per class."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a line's fields are."""

    path: int = 0
    label: int = 1
    part: int | None = None
    header: int = 0
    """Lines before the first picture: 0 or 1."""
    classes: tuple[tuple[int, str], ...] = ()
    """Columns that say of one label each whether it is the picture's, with the label."""

    def label_of(self, fields: list[str]) -> str:
        """The row's label; empty if it has none. Raises ValueError if it has several."""
        if not self.classes:
            return cell(fields, self.label)
        found = [label for at, label in self.classes if MARKS.get(cell(fields, at).casefold())]
        if len(found) > 1:
            raise ValueError(
                f"has the labels {' and '.join(found)}: a classifier gives each picture one"
            )
        return found[0] if found else ""


def cell(fields: list[str], at: int) -> str:
    """A field without blanks and quotes around it; empty if there is none."""
    return fields[at].strip().strip("\"'").strip() if at < len(fields) else ""


def columns(rows: list[list[str]], labelled: bool) -> Columns:
    """By the header, else by which fields look like pictures.

    Raises ValueError if labels are wanted and the header leaves open which column they are.
    """
    if not rows:
        return Columns()
    names = [re.sub(r"[\W_]+", "", field).casefold() for field in rows[0]]
    for known in (PATH_NAMES, ID_NAMES):
        if paths := [at for at, name in enumerate(names) if name in known]:
            if not labelled:
                return Columns(paths[0], paths[0], header=1)
            return _by_header(rows, names, paths[0])
    return _by_looks(rows)


def _by_header(rows: list[list[str]], names: list[str], path: int) -> Columns:
    others = [at for at in range(len(names)) if at != path]
    parts = [at for at in others if names[at] in PART_NAMES]
    part = parts[0] if parts else None
    others = [at for at in others if at not in parts and names[at] not in COUNTING]
    labels = [at for at in others if names[at] in LABEL_NAMES]
    like = [at for at in others if any(one in names[at] for one in LABEL_PARTS)]
    if labels or len(like) == 1 or len(others) < 2:
        label = next(iter(labels or like or others), int(path == 0))
        return Columns(path, label, part, header=1)
    titles = [(at, cell(rows[0], at)) for at in others]
    if all(cell(row, at).casefold() in MARKS for row in rows[1:] for at in others):
        return Columns(path, part=part, header=1, classes=tuple(titles))
    raise ValueError(
        f"which of the columns {', '.join(title for _, title in titles)} is the label? "
        "Call that one `label`"
    )


def _by_looks(rows: list[list[str]]) -> Columns:
    body = rows[1:] or rows
    counts = [sum(_is_path(row, at) for row in body) for at in range(max(map(len, body)))]
    path = counts.index(max(counts))
    header = int(any(counts) and body is not rows and not _is_path(rows[0], path))
    if path == 0:
        return Columns(header=header)
    behind = path + 1 < len(counts)
    if behind and all(part_of(cell(row, 0)) for row in body):  # as Google's AutoML has it
        return Columns(path, path + 1, 0, header)
    numbered = [cell(row, 0) for row in body] == [str(at) for at in _counting(body)]
    return Columns(path, path + 1 if numbered and behind else 0, header=header)


def _counting(body: list[list[str]]) -> range:
    """The numbers that rows have if their first field only counts them."""
    first = cell(body[0], 0)
    start = int(first) if first.isdecimal() else -1
    return range(start, start + len(body))


def _is_path(fields: list[str], at: int) -> bool:
    return Path(cell(fields, at)).suffix.lower() in PICTURES
