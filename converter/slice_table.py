"""A CSV file and the pictures that it speaks of -> a value of every attribute for every picture."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from edge import text
from edge.errors import FatalError

MOST_VALUES = 50
"""A column with more is no attribute: a time, a number, a name of its own for every picture."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a CSV file says of the pictures."""

    columns: dict[str, tuple[str, ...]]
    """A value for every picture, "" where the file has none."""
    undescribed: int
    """Pictures without a row."""
    strangers: int
    """Rows without a picture."""
    left_out: tuple[str, ...]
    """Columns with more values than slices make sense for."""


def read(path: Path, pictures: tuple[Path, ...], data: Path) -> Table:
    """Match rows to pictures. Paths count from the CSV file's folder, else from `data`.

    Raises FatalError with file and line.
    """
    columns, rows = _rows(path)
    roots = (path.parent, data if data.is_dir() else data.parent)
    places = {picture.resolve(): at for at, picture in enumerate(pictures)}
    values = {column: [""] * len(pictures) for column in columns}
    seen: set[int] = set()
    strangers = 0
    for number, row in rows:
        name = row["path"].strip()
        tried = (root / one for one in (name, name.replace("\\", "/")) for root in roots)
        found = (places.get(path.resolve()) for path in tried)
        at = next((place for place in found if place is not None), None)
        if at is None:
            strangers += 1
            continue
        if at in seen:
            raise FatalError(f"{path}: line {number}: {row['path']} is there twice")
        seen.add(at)
        for column in columns:
            values[column][at] = (row[column] or "").strip()
    if not seen:
        raise FatalError(
            f"{path}: none of its {strangers} paths is a picture of {data}; they count from "
            f"{path.parent} or from {roots[1]}"
        )
    many = tuple(c for c in columns if len(set(values[c]) - {""}) > MOST_VALUES)
    kept = {column: tuple(values[column]) for column in columns if column not in many}
    return Table(kept, len(pictures) - len(seen), strangers, many)


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The attributes, and every row with its line; comma, semicolon or tab between fields."""
    try:
        content = text.read(path)
        head = content.partition("\n")[0]
        lines = io.StringIO(content)
        reader = csv.DictReader(lines, delimiter=max(",;\t", key=head.count), restval="")
        names = tuple(reader.fieldnames or ())
        rows = [(reader.line_num, row) for row in reader]
    except (OSError, csv.Error) as error:
        raise FatalError(f"{path}: cannot be read as CSV: {error}") from None
    columns = [name for name in names if name and name != "path"]
    if "path" not in names or not columns:
        raise FatalError(
            f"{path}: expected a first line such as path,site,camera,season, got {head.strip()!r}"
        )
    return columns, rows
