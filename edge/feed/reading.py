"""A payload that anybody may have sent -> a checked command, or why not. Pure."""

import json
import re
from collections import Counter
from typing import Any, Never, TypeVar

from pydantic import BaseModel, ValidationError

from edge.text import shown

LARGEST = 65_536
"""Bytes of a command's payload, at most."""
LONGEST_ID = 1000
"""Characters of an id that is given back with a refusal, at most."""
DIGITS = 40
"""Of a whole number, at most."""
ERROR = 300
"""Characters of an error, at most."""
ID = re.compile(rb'"id"\s*:\s*(?:"((?:[^"\\]|\\.){0,4000})"|(-?[0-9]{1,20})\b)', re.DOTALL)

Kind = TypeVar("Kind", bound=BaseModel)


class Refused(Exception):  # noqa: N818  an answer, not a fault of ours
    """Why a payload is no command."""


def command(kind: type[Kind], payload: bytes) -> Kind:
    """Raises Refused, with one line for whoever sent it."""
    if len(payload) > LARGEST:
        raise Refused(f"is longer than {LARGEST} bytes")
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("is not UTF-8 text") from None
    try:
        body = _parse(text.strip() or "{}")
    except RecursionError:
        raise Refused("Invalid JSON: is nested too deep") from None
    except ValueError as error:
        raise Refused(shown(f"Invalid JSON: {error}", ERROR)) from None
    if not isinstance(body, dict):
        raise Refused("expected a JSON object")
    try:
        return kind.model_validate_json(text.strip() or "{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        key = ".".join(str(part) for part in first["loc"])
        raise Refused(shown(f"{key}: {reason}" if key else reason, ERROR)) from None


def found_id(payload: bytes) -> str:
    """The id of a payload that is refused, as far as it can be read; else empty."""
    try:
        body = json.loads(payload[:LARGEST])
        number = body["id"]
    except (ValueError, RecursionError, KeyError, TypeError):
        number = _seen_id(payload[:LARGEST])
    if not isinstance(number, (str, int)) or isinstance(number, bool):
        return ""
    return str(number)[:LONGEST_ID].encode("utf-8", "replace").decode("utf-8")


def _seen_id(payload: bytes) -> str:
    """Of a payload that is no JSON."""
    found = ID.search(payload)
    if found is None:
        return ""
    if found[2] is not None:
        return found[2].decode("ascii")
    try:
        return str(json.loads(f'"{found[1].decode("utf-8", "replace")}"', strict=False))
    except ValueError:
        return ""


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_int=_whole)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = counted.most_common(1)[0][0]
        raise Refused(shown(f"{twice}: is there twice", ERROR))
    return made


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise Refused(f"Invalid JSON: a number of {len(digits)} digits is too long")
    return int(digits)


def _no_number(word: str) -> Never:
    raise Refused(f"Invalid JSON: {word} is no number")
