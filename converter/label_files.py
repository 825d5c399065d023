"""A label file as people's tools write it -> the labels in the order of the model's outputs. Pure.

One label a line, with or without its number; JSON of Keras, Teachable Machine and Hugging Face;
`names:` of a data.yaml; TensorFlow's label map (.pbtxt).
"""

import ast
import csv
import json
import re
from itertools import pairwise
from typing import Any

NUMBERED = re.compile(r"[\[(]?(\d+)[\])]?\s*(?:[-=]>|[\s:,;.)=-])\s*(\S.*)")
"""`0 Rock`, `0: Rock`, `1,Rock`, `0 -> Rock`: a line of a label file that says its output."""
NUMBER_BEHIND = re.compile(r"(.*\S)\s*[,;\t]\s*(\d+)")
"""`Rock,0`."""
HEADER = re.compile(r"(?i)\W*(index|id|number|class|label|name|class_id|labels?)\b.*")
TITLES = {"label", "labels", "class", "classes", "class_name", "name", "names", "category"}
"""A first line that is one of these alone is a column's title."""
INVISIBLE = "\ufeff\u200b\u2060"
"""They have no width; files that were put together have them at the ends of lines."""
HOLDERS = ("labels", "names", "classes", "class_names", "id2label", "class_indices", "categories")
"""Keys under which a tool's JSON keeps the labels."""
NAMES = ("display_name", "name", "label", "title")
ITEM = re.compile(r"item\s*:?\s*\{([^{}]*)\}")
FIELD = re.compile(r"\b(id|name|display_name)\s*:\s*(?:\"([^\"]*)\"|'([^']*)'|(\d+))")
YAML_NAMES = re.compile(r"^names\s*:[ \t]*(\S.*)?$", re.MULTILINE)
UNUSED = "???"
"""What TensorFlow calls an output without a label."""

Numbered = dict[int, str]


def labels_in(content: str) -> list[str]:
    """Raises ValueError that says what is wrong."""
    content = content.strip(INVISIBLE + " \t\n")
    if content.startswith(("{", "[")) and not NUMBERED.match(content):
        return _from_value(_parsed(content))
    if items := ITEM.findall(content):
        return _from_items(items)
    if found := YAML_NAMES.search(content):
        return _from_yaml(found[1] or "", content[found.end() :])
    lines = [line.strip(INVISIBLE + " \t") for line in content.split("\n")]
    return _from_lines([line for line in lines if line])


def _parsed(content: str) -> Any:
    """JSON, or a list or dict as Python prints it."""
    try:
        return json.loads(content)
    except ValueError as error:
        reason = str(error)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        return ast.literal_eval(content)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(reason) from None


def _from_value(value: Any) -> list[str]:
    match value:
        case list() if value and all(isinstance(one, dict) and "id" in one for one in value):
            return _in_order([(one["id"], _name(one)) for one in value])
        case list() if value:
            return [_name(one) for one in value]
        case dict():
            for key in HOLDERS:
                if isinstance(value.get(key), list | dict):
                    return _from_value(value[key])
            if value and all(_is_number(at) for at in value.values()):
                return _in_order([(at, str(name)) for name, at in value.items()])
            if value and all(_is_number(at) for at in value):
                return _in_order([(at, _name(name)) for at, name in value.items()])
    raise ValueError('expected {"label": output, …} or a list of labels')


def _is_number(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and value.isdecimal()
    )


def _name(value: Any) -> str:
    """A label, or the part of its description that names it: ImageNet's pairs of number and name,
    objects with a name."""
    match value:
        case str() | int() if not isinstance(value, bool):
            return str(value)
        case [str(), str(name)]:
            return name
        case dict():
            return next((_name(value[key]) for key in NAMES if key in value), "") or _no(value)
    return _no(value)


def _no(value: Any) -> str:
    raise ValueError(f"{str(value)[:60]!r} is no label")


def _in_order(pairs: list[tuple[Any, str]]) -> list[str]:
    """The names by their outputs' numbers, which go on from 0 or 1 without a gap."""
    numbers = [int(at) if _is_number(at) else -1 for at, _ in pairs]
    if not _counts_up(sorted(numbers)):
        raise ValueError("its numbers do not go on from 0 or 1, each once and without a gap")
    return [pairs[numbers.index(number)][1] for number in sorted(numbers)]


def _counts_up(numbers: list[int]) -> bool:
    """Whether sorted numbers go on from 0 or 1, each once and without a gap."""
    return numbers[:1] in ([0], [1]) and all(b == a + 1 for a, b in pairwise(numbers))


def _from_items(items: list[str]) -> list[str]:
    """TensorFlow's label map, which counts from 1 and may have gaps, as COCO's has."""
    names: Numbered = {}
    for item in items:
        fields = {key: a or b or number for key, a, b, number in FIELD.findall(item)}
        name = fields.get("display_name") or fields.get("name")
        if not name or not fields.get("id", "").isdecimal():
            raise ValueError("an item of it lacks its id or its name")
        names[int(fields["id"])] = name
    last = max(names)
    if len(names) < len(items) or last > 2 * len(names):
        raise ValueError("its ids are not 1, 2, 3, …")
    return [names.get(number, UNUSED) for number in range(min(1, *names), last + 1)]


def _from_yaml(inline: str, below: str) -> list[str]:
    """The value of `names:` on its line, or the lines below it that are part of it."""
    if inline.startswith(("[", "{")):
        inside = inline.partition(" #")[0].strip().strip("[]{}")
        return _from_lines(_fields(inside.replace("'", '"')))
    lines = []
    for line in below.split("\n"):
        if line.strip() and not line.startswith((" ", "\t", "-")):
            break
        lines.append(line.partition(" #")[0].strip())
    return _from_lines([line for line in lines if line])


def _from_lines(lines: list[str]) -> list[str]:
    """Labels with or without their numbers."""
    if (
        len(lines) == 1
        and not NUMBERED.fullmatch(lines[0])
        and not NUMBER_BEHIND.fullmatch(lines[0])
    ):
        lines = _fields(lines[0])
    if all(line.startswith("- ") for line in lines):
        lines = [line[2:] for line in lines]
    if all(line.endswith(",") for line in lines):
        lines = [line[:-1] for line in lines]
    lines = [_bare(line) for line in lines]
    for first in (0, 1):  # a header, perhaps
        if first and not (lines and HEADER.fullmatch(lines[0])):
            break
        for pattern, number, name in ((NUMBERED, 1, 2), (NUMBER_BEHIND, 2, 1)):
            found = [pattern.fullmatch(line) for line in lines[first:]]
            numbered = {int(one[number]): one[name] for one in found if one}
            if len(numbered) == len(lines) - first and _counts_up(sorted(numbered)):
                return [_bare(numbered[at].split("\t")[0]) for at in sorted(numbered)]
    return lines[1:] if len(lines) > 2 and lines[0].casefold() in TITLES else lines


def _fields(line: str) -> list[str]:
    """A whole list on one line."""
    try:
        fields = next(csv.reader([line], skipinitialspace=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return [one.strip() for one in fields if one.strip()]


def _bare(text: str) -> str:
    """Without the quotes around it."""
    text = text.strip()
    inside, quote = text[1:-1], text[:1]
    quoted = inside and quote in "\"'" and text[-1] == quote and quote not in inside
    return inside.strip() if quoted else text
