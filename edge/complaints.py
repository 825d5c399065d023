"""pydantic's errors about a table of edge.toml -> words for who wrote it.

A value is repeated only where it cannot be a secret: never of unknown keys, never an address.
"""

import re
from collections.abc import Iterator
from datetime import time
from difflib import get_close_matches
from itertools import takewhile
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from edge.text import shown

Key = tuple[str | int, ...]

ID_PATTERN = r"^[a-z0-9_-]+$"
ADDRESS = r"://|@"
"""What may have a password in it."""

PLAIN = {
    "missing": "is missing",
    "string_type": "expected text in quotes",
    "path_type": "expected a path in quotes",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a number",
    "tuple_type": "expected a list in [ ]",
    "model_type": "expected a table",
    "dict_type": "expected a table with a name",
    "literal_error": "expected {expected}",
    "greater_than": "expected more than {gt:.12g}",
    "greater_than_equal": "expected at least {ge:.12g}",
    "less_than": "expected less than {lt:.12g}",
    "less_than_equal": "expected at most {le:.12g}",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "has characters that cannot stand here",
    "string_too_long": "expected at most {max_length} letters",
    "too_short": "expected at least {min_length}",
    "too_long": "expected at most {max_length}, has {actual_length}",
    "value_error": "{error}",
}
"""What is said where the key itself has no words of its own."""
WORDS = {
    "id": "expected an id of lower-case letters, digits, - and _",
    "time": 'expected a time of the day, as "06:30" or "21:00"',
    "mark": 'expected "06:30", "sunrise", "sunset" or one with an offset, as "sunset-00:30"',
    "score": "expected a score from 0 to 1 (0.6 is 60 %)",
    "area": "expected a share of the picture from 0 to 1 (0.05 is 5 %)",
    "place": "expected shares of the picture from 0 to 1, not pixels: divide x by the picture's "
    "width and y by its height",
    "point": "expected points [x, y]",
    "ring": "a polygon needs 3 to 100 points [x, y]",
    "corners": "expected [x_min, y_min, x_max, y_max], shares of the picture from 0 to 1",
}
BOUNDS = ("less_than_equal", "greater_than_equal", "finite_number")
NO_PATTERN = ("string_pattern_mismatch", "string_type")
NO_LIST = ("tuple_type", "too_short", "too_long")
NO_POINT = ("missing", "float_type", "tuple_type", "too_long")
MOMENTS, RINGS, POINTS = ("from", "until"), ("polygon", "holes"), ("start", "end")
LISTS = ("labels", "delegates", "ignore", "days")
OWN = (
    (MOMENTS, NO_PATTERN, "time"),
    (("enter", "leave"), BOUNDS, "score"),
    (("min_area", "max_area"), BOUNDS, "area"),
    ((*RINGS, *POINTS, "crop"), BOUNDS, "place"),
    (("crop",), NO_POINT, "corners"),
    (POINTS, NO_POINT, "point"),
    (RINGS, ("missing", "float_type"), "point"),
    (RINGS, NO_LIST, "ring"),
)
"""Keys, pydantic's types of error, and the words for them."""
NOT_OURS = {
    "url": "uri", "address": "uri", "device": "uri", "host": "broker", "server": "broker",
    "port": "broker", "user": "username", "password": "password_file", "passwd": "password_file",
    "framerate": "fps", "frame_rate": "fps", "threshold": "enter", "confidence": "enter",
    "tls": "broker", "points": "polygon", "coordinates": "polygon",
}  # fmt: skip
"""Other software's names of our keys."""


def place(error: ErrorDetails) -> Key:
    """The key that is wrong; one place of a list is not told from the others.

    A table's own complaint begins with the key that it is about.
    """
    return (*_named(error), *_subject(error))


def blames_table(error: ErrorDetails, key: Key) -> bool:
    """Whether it complains of the table that the key is in."""
    return key[:-1] == _named(error)


def _named(error: ErrorDetails) -> Key:
    return tuple(takewhile(lambda part: isinstance(part, str) and part != "[key]", error["loc"]))


def _subject(error: ErrorDetails) -> Key:
    if error["type"] != "value_error" or not isinstance(error["input"], dict):
        return ()
    word = str(error["ctx"]["error"]).partition(" ")[0]
    return (word,) if word in error["input"] else ()


def explain(error: ErrorDetails, root: type[BaseModel]) -> str:
    """`source.barn.fps: expected a number, got 'x'`."""
    where = map(str, place(error))
    key = ".".join("***" if re.search(ADDRESS, part) else shown(part, 80) for part in where)
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key{_meant(error, root)}"
    said = _words(error)
    for subject in _subject(error):
        said = said.removeprefix(f"{subject} ")
    if error["type"] in ("missing", "value_error", "string_too_short", "too_short"):
        return f"{key}: {said}" if key else said
    return f"{key}: {said}{_got(error)}{_instead(error)}"


def _words(error: ErrorDetails) -> str:
    """By what the key is, else by what is wrong with it."""
    names = [part for part in error["loc"] if isinstance(part, str)]
    key = names[-1] if names else ""
    kind, context = error["type"], error.get("ctx", {})
    own = "id" if _is_id(error) else _own_words(key, kind, in_schedule="schedule" in names)
    if own:
        return WORDS[own]
    if context.get("actual_length") == 0:
        return "is empty"
    template = PLAIN.get(kind, shown(error["msg"]))
    if kind == "literal_error" and "' or '" in str(context.get("expected")):
        context = {"expected": str(context["expected"]).replace("'", '"')}
    return template.format(**context)


def _is_id(error: ErrorDetails) -> bool:
    return error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] == ID_PATTERN


def _own_words(key: str, kind: str, in_schedule: bool) -> str | None:
    """The key in WORDS for what a key holds."""
    if in_schedule and key in MOMENTS and kind in NO_PATTERN:
        return "mark"
    rules = (word for keys, kinds, word in OWN if key in keys and kind in kinds)
    return next(rules, None)


def _got(error: ErrorDetails) -> str:
    """The value, where it is short and can be no secret."""
    value = error["input"]
    if isinstance(value, bool):
        return f", got {str(value).lower()}"
    if isinstance(value, time):
        return f", got {value:%H:%M} without quotes"
    secret = "password" in str(error["loc"][-1]) or re.search(ADDRESS, str(value))
    if secret or not isinstance(value, str | int | float):
        return ""
    return f", got {shown(repr(value), 60)}"


def _instead(error: ErrorDetails) -> str:
    """What would be taken, where it can be guessed."""
    value = error["input"]
    meant = None
    if isinstance(value, str) and not re.search(ADDRESS, value):
        meant = _guess(error, value.strip())
    if error["type"] == "bool_type" and value in (0, 1):
        meant = str(bool(value)).lower()
    if error["type"] in ("model_type", "dict_type"):
        name = ".NAME" if error["type"] == "dict_type" else ""
        meant = f"[{'.'.join(map(str, place(error)))}{name}], and its keys on the lines below"
    return f": write {meant}" if meant else ""


def _guess(error: ErrorDetails, value: str) -> str | None:
    kind = error["type"]
    clock = re.fullmatch(r"(\d{1,2})[:.h](\d\d)(:\d\d)?", value)
    if _is_id(error):
        made = re.sub(r"[^a-z0-9_-]+", "-", value.lower()).strip("-")[:64]
        return f'"{made}"' if made else None
    if kind == "string_pattern_mismatch" and clock and int(clock[1]) < 24 and int(clock[2]) < 60:
        return f'"{int(clock[1]):02d}:{clock[2]}"'
    if kind == "tuple_type" and error["loc"][-1] in LISTS:
        return f'["{shown(value, 60)}"]'
    number = re.match(r"-?\d+([.,]\d+)?", value)
    if kind in ("float_type", "int_type") and number:
        percent = value.endswith("%")
        plain = float(number[0].replace(",", ".")) / (100 if percent else 1)
        return f"{plain:g} without quotes"
    if kind == "bool_type" and value.lower() in ("true", "false", "yes", "no", "on", "off"):
        return "true" if value.lower() in ("true", "yes", "on") else "false"
    return None


def meant_key(error: ErrorDetails, root: type[BaseModel]) -> Key | None:
    """The nearest key of the same table, for an unknown one."""
    if error["type"] != "extra_forbidden":
        return None
    *table, key = (str(part) for part in error["loc"])
    known = _keys(root, tuple(table))
    ours = NOT_OURS.get(key.lower().replace("-", "_"))
    if ours in known:
        return (*table, ours)
    near = [name for name in known if name.startswith(f"{key}_")]
    near = near or get_close_matches(key.lower(), known, 1)
    return (*table, near[0]) if near else None


def _meant(error: ErrorDetails, root: type[BaseModel]) -> str:
    """The nearest key, else the table that has it, else all of them."""
    *table, key = (str(part) for part in error["loc"])
    near = meant_key(error, root)
    if near:
        return f"; did you mean {near[-1]}?"
    elsewhere = [name for name, inner in _tables(root) if {key, f"{key}_s"} & set(_fields(inner))]
    if elsewhere:
        return f"; it belongs in [{elsewhere[0]}]"
    known = _keys(root, tuple(table))
    return f"; there is {', '.join(known)}" if known else ""


def _keys(root: type[BaseModel], table: tuple[str, ...]) -> list[str]:
    """The keys of a table, found from the root along its path."""
    model: type[BaseModel] | None = root
    named = False
    for part in table:
        if model is None:
            return []
        if named:  # a name that the user chose: source.NAME
            named = False
            continue
        model, named = _inner(_fields(model).get(part))
    return list(_fields(model)) if model is not None and not named else []


def _tables(root: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table by its name, outer ones first: events, source.NAME, source.NAME.zone.NAME."""
    below: list[tuple[str, type[BaseModel]]] = []
    for name, annotation in _fields(root).items():
        model, named = _inner(annotation)
        if model is not None:
            below.append((f"{name}.NAME" if named else name, model))
    yield from below
    for where, model in below:
        yield from ((f"{where}.{name}", inner) for name, inner in _tables(model))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Keys as they stand in the file, with their annotations."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The table behind an annotation, and whether it comes by names that the user chooses."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    *names, value = get_args(annotation) or (None,)
    if isinstance(value, type) and issubclass(value, BaseModel):
        return value, True  # dict[name, table]
    tables = [n for n in names if isinstance(n, type) and issubclass(n, BaseModel)]
    return (tables[0] if tables else None), False  # table | None
