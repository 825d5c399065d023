"""Labels and thresholds as people write them -> checked values."""

import os
import re
from pathlib import Path

from converter.label_files import labels_in
from edge import text
from edge.errors import FatalError

THRESHOLD = re.compile(r"(.+?=\s*[\d.eE+-]+)\s*(?:[,;]\s*|$)")
"""`person=0.6`, and the comma behind it."""


def read_labels(given: str) -> tuple[str, ...]:
    """A comma list, or the path of a file with one label a line. Raises FatalError."""
    in_file = os.path.isfile(given)  # noqa: PTH113 - Path.is_file raises for a list of 256 letters
    if in_file:
        try:
            lines = labels_in(text.read(Path(given)))
        except (OSError, ValueError) as error:
            raise FatalError(f"--labels: {given}: cannot be read: {error}") from None
    elif "," in given:
        lines = given.split(",")
    else:
        raise FatalError(f"--labels: {given!r} is neither a file nor a list like crop,weed")
    labels = tuple(text.composed(line.strip()) for line in lines if line.strip())
    if not labels:
        raise FatalError(f"--labels: {given}: holds no label")
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
