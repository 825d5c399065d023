"""A list of pictures as people and their tools write it -> paths and labels.

Tabs, semicolons, commas or blanks between path and label, in either order; with or without a
header; Windows' backslashes; any encoding that `edge.text` knows.
"""

import csv
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from converter.folders import PICTURES
from converter.list_columns import Columns, cell, columns
from edge import text
from edge.errors import FatalError

DELIMITERS = ("\t", ";", ",", "|")
SEPARATOR = re.compile(r"sep=.?")
"""Excel's first line."""
ENDINGS = (".jpg", ".jpeg", ".png", ".JPG")
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


def read(source: Path, labelled: bool = True) -> list[Row]:
    """The rows of a list; paths count from its own folder. Raises FatalError.

    If it is not `labelled`, no label is looked for in columns that have a header.
    """
    try:
        content = text.read(source)
    except OSError as error:
        raise FatalError(f"{source}: cannot be read: {error.strerror}") from None
    if "\0" in content:
        raise FatalError(f"{source}: is no list of pictures: expected one `path,label` a line")
    try:
        if content.lstrip().startswith("{"):
            found = _from_json(source, content)
        else:
            found = _from_lines(source, content, labelled)
    except (csv.Error, ValueError) as error:
        raise FatalError(f"{source}: cannot be read as a list of pictures: {error}") from None
    _refuse_wrong_base(source, found)
    return found


def _from_lines(source: Path, content: str, labelled: bool) -> list[Row]:
    """Raises ValueError and csv.Error."""
    lines = content.split("\n")
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if numbered and SEPARATOR.fullmatch(numbered[0][1]):
        del numbered[0]
    cells = _cells(numbered)
    where = columns([fields for _, fields in cells], labelled)
    rows = (_row(source.parent, number, fields, where) for number, fields in cells[where.header :])
    return [row for row in rows if row.path != source.parent]


def _from_json(source: Path, content: str) -> list[Row]:
    """The `info.labels` of Edge Impulse, which lies beside its training/ and testing/. Raises
    ValueError."""
    try:
        files = json.loads(content).get("files")
    except (ValueError, RecursionError):
        files = None
    if not isinstance(files, list) or not all(isinstance(one, dict) for one in files):
        raise ValueError("expected one `path,label` a line, or Edge Impulse's info.labels")
    rows = []
    for number, one in enumerate(files, 1):
        label = one.get("label")
        label = label.get("label", "") if isinstance(label, dict) else label or ""
        path = _found(source.parent, str(one.get("path", "")))
        rows.append(Row(number, path, str(label), str(one.get("category", ""))))
    return rows


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


def _row(base: Path, number: int, fields: list[str], where: Columns) -> Row:
    try:
        label = where.label_of(fields)
    except ValueError as error:
        raise ValueError(f"line {number} {error}") from None
    if found := WHOLE.fullmatch(label):
        label = found[1]
    part = "" if where.part is None else cell(fields, where.part)
    return Row(number, _found(base, cell(fields, where.path)), label, part)


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


def _found(base: Path, name: str) -> Path:
    """The path as written, else with slashes for backslashes, in another Unicode form, or with the
    ending that it lacks."""
    spellings = [name, name.replace("\\", "/")]
    spellings += [unicodedata.normalize(form, spellings[1]) for form in ("NFC", "NFD")]
    if not Path(name).suffix:  # a list that names pictures by their number alone
        spellings += [f"{spellings[1]}{ending}" for ending in ENDINGS]
    return next((base / one for one in spellings if _exists(base / one)), base / spellings[1])


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or no name at all
        return False
