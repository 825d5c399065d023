"""A list of pictures as people and their tools write it -> paths and labels.

Tabs, semicolons, commas or blanks between path and label, in either order; with or without a
header; Windows' backslashes; any encoding that `edge.text` knows.
"""

import csv
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from converter.folders import PICTURES
from edge import text
from edge.errors import FatalError

DELIMITERS = ("\t", ";", ",", "|")
PATH_NAMES = frozenset(
    [
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "image",
        "img",
        "image_path",
        "picture",
        "photo",
    ]
)
LABEL_NAMES = frozenset(
    [
        "label",
        "labels",
        "class",
        "class_name",
        "classname",
        "class_id",
        "category",
        "target",
        "species",
        "y",
    ]
)
PART_NAMES = frozenset(["split", "set", "subset", "partition", "usage"])
WHOLE = re.compile(r"(\d+)\.0+")
"""A number as pandas writes it where other rows of its column are empty."""
_ENDINGS = "|".join(ending[1:] for ending in sorted(PICTURES))
BY_BLANK = re.compile(rf"(.*\.(?:{_ENDINGS}))[\"']?\s*[:\s]\s*(\S.*)", re.IGNORECASE)
"""A path, which may have blanks in it, and behind its ending a label, which may too."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: where the picture is, and what it shows."""

    line: int
    path: Path
    label: str
    """Empty where the line has none."""
    part: str = ""
    """What a column `split` says: train, val, test, ..."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a line's fields are."""

    path: int = 0
    label: int = 1
    part: int | None = None
    header: int = 0
    """Lines before the first picture: 0 or 1."""


def read(source: Path) -> list[Row]:
    """The rows of a list; paths count from its own folder. Raises FatalError."""
    try:
        lines = text.read(source).split("\n")
    except OSError as error:
        raise FatalError(f"{source}: cannot be read: {error.strerror}") from None
    if any("\0" in line for line in lines):
        raise FatalError(f"{source}: is no list of pictures: expected one `path,label` a line")
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    try:
        cells = _cells(numbered)
    except csv.Error as error:
        raise FatalError(f"{source}: cannot be read as a list of pictures: {error}") from None
    columns = _columns([fields for _, fields in cells])
    rows = [_row(source.parent, number, fields, columns) for number, fields in cells]
    found = [row for row in rows[columns.header :] if row.path != source.parent]
    _refuse_wrong_base(source, found)
    return found


def _refuse_wrong_base(source: Path, rows: list[Row]) -> None:
    """Raises FatalError if no picture is there, with the folder in which it is, if that is near."""
    if not rows or any(_exists(row.path) for row in rows):
        return
    first = rows[0].path
    told = f"{source}: none of its {len(rows)} pictures is there: looked for {first} first; "
    told += "paths count from the list's folder"
    if first.is_relative_to(source.parent):
        name, base = first.relative_to(source.parent), source.parent.absolute()
        near = [Path.cwd(), *base.parents[:2], *(one for one in base.iterdir() if one.is_dir())]
        there = [one for one in near if _exists(one / name)]
        told += f", but it is there in {there[0]}: put the list there" if there else ""
    raise FatalError(told)


def _row(base: Path, number: int, fields: list[str], columns: Columns) -> Row:
    label = _cell(fields, columns.label)
    if found := WHOLE.fullmatch(label):
        label = found[1]
    part = "" if columns.part is None else _cell(fields, columns.part)
    return Row(number, _found(base, _cell(fields, columns.path)), label, part)


def _cells(numbered: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """The fields of each line, by the delimiter that all lines have, else by blanks."""
    texts = [line for _, line in numbered]
    for delimiter in DELIMITERS:
        if texts and all(delimiter in line for line in texts):
            return [
                (number, next(csv.reader([line], delimiter=delimiter, skipinitialspace=True)))
                for number, line in numbered
            ]
    return [(number, _by_any(line)) for number, line in numbered]


def _by_any(line: str) -> list[str]:
    """A line of a list whose lines are not all alike: only a path, or a path and a label."""
    if Path(line.strip("\"'")).suffix.lower() in PICTURES:
        return [line]
    for delimiter in DELIMITERS:
        if delimiter in line:
            return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    if found := BY_BLANK.fullmatch(line):
        return [found[1], found[2]]
    path, _, label = line.rpartition(" ")
    return [path.strip(), label] if path else [line]


def _columns(rows: list[list[str]]) -> Columns:
    """By the header, else by which fields look like pictures."""
    if not rows:
        return Columns()
    names = [field.strip().lower().replace(" ", "_") for field in rows[0]]
    paths = [at for at, name in enumerate(names) if name in PATH_NAMES]
    if paths:
        labels = [at for at, name in enumerate(names) if name in LABEL_NAMES and at != paths[0]]
        parts = [at for at, name in enumerate(names) if name in PART_NAMES and at != paths[0]]
        label = labels[0] if labels else int(paths[0] == 0)
        return Columns(paths[0], label, parts[0] if parts else None, header=1)
    body = rows[1:] or rows
    counts = [sum(_is_path(row, at) for row in body) for at in range(max(map(len, body)))]
    path = counts.index(max(counts))
    header = int(any(counts) and body is not rows and not _is_path(rows[0], path))
    if path == 0:
        return Columns(header=header)
    numbered = [_cell(row, 0) for row in body] == [str(at) for at in _counting(body)]
    return Columns(path, path + 1 if numbered and path + 1 < len(counts) else 0, header=header)


def _counting(body: list[list[str]]) -> range:
    """The numbers that rows have if their first field only counts them."""
    first = _cell(body[0], 0)
    start = int(first) if first.isdecimal() else -1
    return range(start, start + len(body))


def _is_path(fields: list[str], at: int) -> bool:
    return Path(_cell(fields, at)).suffix.lower() in PICTURES


def _cell(fields: list[str], at: int) -> str:
    return fields[at].strip().strip("\"'").strip() if at < len(fields) else ""


def _found(base: Path, name: str) -> Path:
    """The path as written, else with slashes for backslashes or in another Unicode form."""
    spellings = [name, name.replace("\\", "/")]
    spellings += [unicodedata.normalize(form, spellings[1]) for form in ("NFC", "NFD")]
    return next((base / one for one in spellings if _exists(base / one)), base / spellings[1])


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or no name at all
        return False
