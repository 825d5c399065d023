"""Messages of the feed -> lines for a person."""

from typing import Any

import click

from edge.feed.reader import Received
from edge.text import shown

COLORS = {"start": "green", "update": "cyan", "end": "yellow", "online": "green", "offline": "red"}


def line(received: Received) -> str | None:
    """One line for an event or a change of availability; None for anything else.

    Anybody may publish there: nothing in it forges a line or moves the cursor.
    """
    where = shown(f"{received.device}/{received.source}".rstrip("/"))
    match received.kind:
        case "event":
            event = received.content
            kind = _word(event, "event_type")
            clock = _word(event, "time")[11:23]
            text = f"{clock}  {where}  {_color(kind)} {_word(event, 'label')}"
            text += f" {_number(event, 'score'):.2f}"
            if event.get("place"):
                text += f" {_word(event, 'change')} {_word(event, 'place')}"
            if kind == "end":
                text += f" after {_number(event, 'duration_s'):.1f} s"
            return text
        case "availability":
            return f"{'':12}  {where}  {_color(shown(received.payload))}"
        case _:
            return None


def states(latest: dict[str, dict[str, Any]]) -> str:
    """The latest state payload of every source -> one coloured line."""
    parts = []
    for name, state in sorted(latest.items()):
        where = _seen(name, state)
        if state.get("label"):
            parts.append(click.style(f"{where}: {_word(state, 'label')}", fg="green", bold=True))
        else:
            parts.append(click.style(f"{where}: nothing", dim=True))
    return "  ".join(parts)


def table(latest: dict[str, dict[str, Any]]) -> str:
    """The latest state payload of every source -> one line for each label that holds."""
    rows = [("source", "label", "score", "since")]
    for where, state in sorted(latest.items()):
        held = state.get("labels")
        told = [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []
        for one in told or [{"label": "nothing", "since": ""}]:
            score = "" if one.get("score") is None else f"{_number(one, 'score'):.2f}"
            rows.append((_seen(where, state), _word(one, "label"), score, _word(one, "since")))
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    padded = ("  ".join(cell.ljust(widths[n]) for n, cell in enumerate(row)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)


def _seen(where: str, state: dict[str, Any]) -> str:
    """The source, with what is wrong with its view."""
    view = state.get("view") or "ok"
    return shown(where if view == "ok" else f"{where} ({view})")


def _word(payload: dict[str, Any], key: str) -> str:
    """Text of the feed, which anybody may have written, on one line of the terminal."""
    return shown(str(payload.get(key, "?")))


def _number(payload: dict[str, Any], key: str) -> float:
    value = payload.get(key)
    return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else 0.0


def _color(word: str) -> str:
    return click.style(shown(word, 40), fg=COLORS.get(word))
