"""Values from a file and from flags -> a checked table, with everything that is wrong in it."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edge.complaints import blames_table, explain, meant_key, place
from edge.toml_file import Key

Table = TypeVar("Table", bound=BaseModel)

ROUNDS = 20
"""Values are looked at so often while more is found wrong in them."""


def examined(root: type[Table], values: dict[str, Any]) -> tuple[Table | None, dict[Key, str]]:
    """The table without what is wrong in it (None: hopeless), and what is wrong, by key.

    What is wrong is left out and the rest looked at again: keys that contradict each other are
    only seen when each of them is right by itself.
    """
    found: dict[Key, str] = {}
    for _ in range(ROUNDS):
        try:
            return root.model_validate(values), found
        except ValidationError as error:
            errors = error.errors()
        meant = {meant_key(one, root) for one in errors}
        for one in errors:
            where = place(one)
            no_wonder = any(blames_table(one, key) for key in found)  # it lacks that key now
            if not no_wonder and not (one["type"] == "missing" and where in meant):
                found.setdefault(where, explain(one, root))
            values = _without(values, where)
    return None, found


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested tables, the second going before the first."""
    both = dict(base)
    for key, value in over.items():
        below = both.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            both[key] = merged(below, value)
        else:
            both[key] = value
    return both


def given(values: dict[str, Any], where: Key) -> bool:
    """Whether nested tables have that key."""
    inner: Any = values
    for part in where:
        if not isinstance(inner, dict) or part not in inner:
            return not isinstance(inner, dict)
        inner = inner[part]
    return bool(where)


def _without(values: dict[str, Any], where: Key) -> dict[str, Any]:
    """A copy that lacks what is wrong: the key, or the table in which a key is missing."""
    first, *rest = where or ("",)
    below = values.get(str(first))
    if rest and isinstance(below, dict) and rest[0] in below:
        return values | {str(first): _without(below, tuple(rest))}
    return {key: value for key, value in values.items() if key != first}
