"""Messages of the feed -> lines for a person."""

import json
from typing import Any

import click

from edge.feed.reader import Received

COLORS = {"start": "green", "update": "cyan", "end": "yellow", "online": "green", "offline": "red"}


def content(received: Received) -> dict[str, Any]:
    """The payload's JSON object; empty where it is none."""
    try:
        value = json.loads(received.payload)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def line(received: Received) -> str | None:
    """One line for an event or a change of availability; None for anything else."""
    where = f"{received.device}/{received.source}".rstrip("/")
    match received.kind:
        case "event":
            event = content(received)
            kind = str(event.get("event_type", "?"))
            clock = str(event.get("time", ""))[11:23]
            text = f"{clock}  {where}  {_color(kind)} {event.get('label', '?')}"
            text += f" {event.get('score', 0):.2f}"
            if event.get("place"):
                text += f" {event.get('change')} {event['place']}"
            if kind == "end":
                text += f" after {event.get('duration_s', 0):.1f} s"
            return text
        case "availability":
            return f"{'':12}  {where}  {_color(received.payload)}"
        case _:
            return None


def states(latest: dict[str, dict[str, Any]]) -> str:
    """The latest state payload of every source -> one coloured line."""
    parts = []
    for name, state in sorted(latest.items()):
        where = _seen(name, state)
        if state.get("label"):
            parts.append(click.style(f"{where}: {state['label']}", fg="green", bold=True))
        else:
            parts.append(click.style(f"{where}: nothing", dim=True))
    return "  ".join(parts)


def table(latest: dict[str, dict[str, Any]]) -> str:
    """The latest state payload of every source -> one line for each label that holds."""
    rows = [("source", "label", "score", "since")]
    for where, state in sorted(latest.items()):
        held = state.get("labels") or [{"label": "nothing", "score": None, "since": ""}]
        for one in held:
            score = "" if one["score"] is None else f"{one['score']:.2f}"
            rows.append((_seen(where, state), one["label"], score, one["since"]))
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    padded = ("  ".join(cell.ljust(widths[n]) for n, cell in enumerate(row)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)


def _seen(where: str, state: dict[str, Any]) -> str:
    """The source, with what is wrong with its view."""
    view = state.get("view") or "ok"
    return where if view == "ok" else f"{where} ({view})"


def _color(word: str) -> str:
    return click.style(word, fg=COLORS.get(word))
