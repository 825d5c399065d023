"""A TOML file that a person wrote -> its values, and the line that each key stands on.

tomllib tells no line of what it has read, so the statements are found a second time here, by a
scanner that knows strings, comments and brackets and leaves the rest to tomllib.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge import files, text
from edge.errors import FatalError, ProblemsError

Key = tuple[str | int, ...]

MOST_WRONG = 20
"""Lines that are no TOML, after which the rest is not looked at."""
TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|.',
    re.DOTALL,
)
"""A string, a comment or one character."""
HINTS = (
    (r"[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]", 'write straight quotes: "'),
    (r"^[^=]*=\s*-?\d+,\d+\s*$", "decimals take a point, as in 0.7"),
    (r"^[^=]*=\s*-?\.\d", "write a 0 before the point, as in 0.7"),
    (r"^[^=]*=\s*(True|False|yes|no|on|off)\b", "write true or false"),
    (r'^[^=]*=\s*"[^"]*\\', "write paths with / or in 'single quotes'"),
    (r"^[^=]*=\s*\d{1,2}:\d\d", 'write times with two digits and in quotes, as in "06:30"'),
    (r"^[^=]*=\s*\d[\d_.]*\s*[^\d\s.,_\]#]", "write the number alone, without a unit"),
    (r"^[^=]*=\s*[^\s\d\"'\[{#+-]", 'write text in quotes, as in uri = "usb:0"'),
    (r"^[^=]*=\s*$", "a value is missing behind ="),
    (r"^\s*[\w.-]+\s*:", "write = between key and value"),
)
"""What a line that is not TOML looks like, and what to do about it."""


ASSIGNMENT = re.compile(r"\s*[\w.-]+\s*[=:][^\[{]*")
"""A line that can be left out without harm to the lines around it."""


@dataclass(frozen=True, slots=True)
class TomlFile:
    """Values and lines of one file."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    headers: dict[int, Key] = field(default_factory=dict)
    """By line, the table that begins there."""
    wrong: dict[int, str] = field(default_factory=dict)
    """By line, what is no TOML and was left out."""

    def line(self, key: Key) -> int | None:
        """Where a key stands, else the nearest table around it."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return self.lines[key[:length]]
        return None

    def is_whole(self, table: Key) -> bool:
        """Whether no line of that table was left out."""
        for number in self.wrong:
            above = [line for line in self.headers if line < number]
            if (self.headers[max(above)] if above else ()) == table:
                return False
        return True


def read(path: Path) -> TomlFile:
    """Lines that are no TOML are left out and told with the rest. Raises FatalError."""
    try:
        content = text.read(path)
    except FileNotFoundError:
        raise FatalError(f"{path}: there is no such configuration file") from None
    except OSError as error:
        why = files.withheld(path) or error.strerror
        raise FatalError(f"{path}: cannot be read: {why}") from None
    wrong: dict[int, str] = {}
    rows = content.split("\n")
    while True:
        try:
            values = tomllib.loads("\n".join(rows))
            return TomlFile(values, *places("\n".join(rows)), wrong)
        except tomllib.TOMLDecodeError as error:
            number, reason = _reason(str(error), rows)
        except (ValueError, RecursionError):
            raise FatalError(f"{path}: has a number too long or tables too deep to read") from None
        wrong[number] = reason
        if len(wrong) == MOST_WRONG or not ASSIGNMENT.fullmatch(rows[number - 1]):
            lines_told = (f"line {n}: {said}" for n, said in sorted(wrong.items()))
            raise ProblemsError(str(path), tuple(lines_told))
        rows[number - 1] = ""


def places(content: str) -> tuple[dict[Key, int], dict[int, Key]]:
    """The line of every table and key of a text that tomllib reads, and the table by line."""
    found: dict[Key, int] = {}
    headers: dict[int, Key] = {}
    table: Key = ()
    for number, statement in _statements(content):
        if statement.startswith("["):
            table = headers[number] = _path(tomllib.loads(statement))
            found.setdefault(table, number)
        else:
            key = _path(tomllib.loads(f"{_left(statement)} = 0"))
            for length in range(1, len(key) + 1):
                found.setdefault((*table, *key[:length]), number)
    return found, headers


def _statements(content: str) -> Iterator[tuple[int, str]]:
    """Each header or assignment with the line on which it begins, without comments."""
    number = began = 1
    depth, statement = 0, ""
    for piece in [*TOKEN.findall(content), "\n"]:
        depth += (piece in ("[", "{")) - (piece in ("]", "}"))
        if piece == "\n" and depth == 0:
            if statement.strip():
                yield began, statement.strip()
            statement = ""
        elif not piece.startswith("#"):
            began = began if statement.strip() else number
            statement += piece
        number += piece.count("\n")


def _left(statement: str) -> str:
    """What stands before the = ."""
    left = ""
    for piece in TOKEN.findall(statement):
        if piece == "=":
            break
        left += piece
    return left


def _path(values: dict[str, Any]) -> Key:
    """The only key of tables in tables."""
    path: list[str] = []
    inner: Any = values
    while isinstance(inner, dict | list) and inner:
        if isinstance(inner, list):
            inner = inner[0]
            continue
        ((key, inner),) = inner.items()
        path.append(key)
    return tuple(path)


def _reason(message: str, rows: list[str]) -> tuple[int, str]:
    """The line, and tomllib's message with what the line should look like."""
    place = re.search(r" \(at line (\d+), column \d+\)$", message)
    number = int(place[1]) if place else len(rows)
    reason = message[: place.start()] if place else message.removesuffix(" (at end of document)")
    code = re.sub(r"\s#[^\"']*$", "", rows[number - 1])
    hint = next((advice for shape, advice in HINTS if re.search(shape, code)), "")
    name = re.match(r"\s*([\w.-]+)\s*[=:]", code)  # what is no key may be a secret
    where = f" near {text.shown(name[1], 40)!r}" if name else ""
    advice = f": {hint}" if hint else ""
    return number, f"is not valid TOML{where}: {reason[:1].lower()}{reason[1:]}{advice}"
