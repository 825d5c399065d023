"""What `edge watch` shows of a source's state."""

from typing import Any

import click

from edge.cli import lines


def state(label: str | None, view: str | None) -> dict[str, Any]:
    held = [{"label": label, "score": 0.7, "since": "2026-06-01T12:00:00.000Z"}] if label else []
    return {"label": label, "labels": held, "view": view}


def test_a_view_that_is_not_ok_stands_beside_the_source() -> None:
    latest = {"field/a": state("person", "ok"), "field/b": state(None, "covered")}
    assert click.unstyle(lines.states(latest)) == "field/a: person  field/b (covered): nothing"
    rows = [line.split() for line in lines.table(latest).splitlines()]
    assert rows[1][:2] == ["field/a", "person"]
    assert rows[2] == ["field/b", "(covered)", "nothing"]


def test_states_of_an_older_daemon_have_no_view() -> None:
    assert click.unstyle(lines.states({"field/a": {"label": None}})) == "field/a: nothing"
