"""Labels and thresholds as people write them -> checked values."""

import json
import os
import re
from pathlib import Path

from edge import text
from edge.errors import FatalError

NUMBERED = re.compile(r"(\d+)\s*[\s:,;.)=-]\s*(\S.*)")
"""`0 Rock`, `0: Rock`, `1,Rock`: a line of a label file that says its output."""
NUMBER_BEHIND = re.compile(r"(.*\S)\s*[,;\t]\s*(\d+)")
"""`Rock,0`."""
THRESHOLD = re.compile(r"(.+?=\s*[\d.eE+-]+)\s*(?:[,;]\s*|$)")
"""`person=0.6`, and the comma behind it."""
HEADER = re.compile(r"(?i)\W*(index|id|number|class|label|name|class_id|labels?)\b.*")


def read_labels(given: str) -> tuple[str, ...]:
    """A comma list, or the path of a file with one label a line. Raises FatalError."""
    in_file = os.path.isfile(given)  # noqa: PTH113 - Path.is_file raises for a list of 256 letters
    if in_file:
        try:
            lines = _from_file(text.read(Path(given)))
        except (OSError, ValueError) as error:
            raise FatalError(f"--labels: {given}: cannot be read: {error}") from None
    elif "," in given:
        lines = given.split(",")
    else:
        raise FatalError(f"--labels: {given!r} is neither a file nor a list like crop,weed")
    labels = tuple(text.composed(line.strip()) for line in lines if line.strip())
    doubles = sorted({label for label in labels if labels.count(label) > 1})
    if doubles and not in_file:  # ImageNet's own list has two cranes
        raise FatalError(f"--labels: {given}: {doubles[0]!r} occurs more than once")
    for label in labels:
        if text.shown(label) != label:
            raise FatalError(
                f"--labels: {text.shown(label, 60)!r} has a control character or is longer than "
                "200 characters: shorten it"
            )
    return labels


def _from_file(content: str) -> list[str]:
    """The labels of a file in the order of the outputs. Raises ValueError for broken JSON."""
    if content.lstrip().startswith(("{", "[")):
        return _from_json(json.loads(content))
    lines = [line.strip() for line in content.split("\n") if line.strip()]
    for first in (0, 1):  # a header, perhaps
        if first and not (lines and HEADER.fullmatch(lines[0])):
            break
        for pattern, number, name in ((NUMBERED, 1, 2), (NUMBER_BEHIND, 2, 1)):
            found = [pattern.fullmatch(line) for line in lines[first:]]
            numbered = {int(one[number]): one[name] for one in found if one}
            if len(numbered) == len(lines) - first and _counts_up(sorted(numbered)):
                return [numbered[at] for at in sorted(numbered)]
    return lines


def _from_json(value: object) -> list[str]:
    """Keras' class_indices ({"Rock": 0}), the same turned round, or a list."""
    match value:
        case list():
            return [str(one) for one in value]
        case dict() if all(isinstance(at, int) for at in value.values()):
            return [str(name) for name in sorted(value, key=lambda name: int(value[name]))]
        case dict() if all(str(at).isdecimal() for at in value):
            return [str(value[at]) for at in sorted(value, key=int)]
    raise ValueError('expected {"label": output, …} or a list of labels')


def _counts_up(numbers: list[int]) -> bool:
    """Whether numbers go on from 0 or 1 without a gap."""
    return bool(numbers) and numbers[0] in (0, 1) and numbers[-1] - numbers[0] + 1 == len(numbers)


def read_thresholds(values: tuple[str, ...]) -> dict[str, float]:
    """`person=0.6` each, or several with commas -> label and score 0..1. Raises FatalError."""
    thresholds: dict[str, float] = {}
    for value in (part for given in values for part in _separate(given)):
        label, _, number = value.rpartition("=")
        try:
            score = float(number)
        except ValueError:
            score = -1.0
        if not label.strip() or not 0 <= score <= 1:
            raise FatalError(
                f"--thresholds: {value!r}: expected LABEL=SCORE with a score 0..1, "
                "for example person=0.6 or person=0.6,car=0.5"
            )
        thresholds[label.strip()] = score
    return thresholds


def _separate(given: str) -> list[str]:
    """The thresholds of a comma list; a label may have commas of its own."""
    found = THRESHOLD.findall(given)
    return found if found and THRESHOLD.sub("", given) == "" else [given]
