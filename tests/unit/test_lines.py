"""What `edge watch` shows of a source's state."""

import json
from typing import Any

import click
import pytest

from edge.cli import lines
from edge.feed.lint import Lint
from edge.feed.reader import Received


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


@pytest.mark.parametrize(
    "payload",
    [
        '{"event_type": "end", "score": "x", "duration_s": null, "label": 5, "time": 1}',
        '{"event_type": ["end"], "score": null, "place": {}, "change": "\\u001b[2J"}',
        '{"label": "a\\nERROR: forged", "time": "\\r\\u0007"}',
        "[]", "null", "1e999", "\x00", "NaN",
    ],
)  # fmt: skip
def test_whatever_the_feed_has_is_one_line(payload: str) -> None:
    """Anybody may publish on it."""
    for kind in ("event", "availability"):
        received = Received("farm", "a\x1b[2J\n", kind, payload, 0.0, False)
        line = click.unstyle(lines.line(received) or "")
        assert line.isprintable() and line
    state = Received("f", "s", "state", payload, 0.0, False).content
    for held in (state, {"labels": [state, 5]}, {"labels": "x"}, {"label": "a\nb", "view": "\x07"}):
        assert click.unstyle(lines.states({"f/s\n": held})).isprintable()
        assert len(lines.table({"f/s": held}).splitlines()) == 2


@pytest.mark.parametrize(
    "event",
    [
        {"event_type": "start", "label": "a\nERROR: forged", "score": 0.5},
        {"event_type": "\x1b[2J", "label": "a", "time": "2026-06-01T\n\n\n\n\n", "score": "high"},
        {"event_type": "end", "label": ["a"], "score": None, "duration_s": 1e400, "place": "\r"},
        {"event_type": None, "label": "a\u2028b", "score": True, "place": {}},
    ],
)
def test_nobody_forges_a_line_of_watch(event: dict[str, Any]) -> None:
    for kind in ("event", "availability"):
        received = Received("field\n", "cam\x1b[2J", kind, json.dumps(event), 0.0, False)
        line = lines.line(received)
        assert line is not None
        assert click.unstyle(line).isprintable()
    state = {"label": "a\nb", "labels": [{"label": "a\nb", "score": "x"}, 7], "view": "\r"}
    latest: dict[str, Any] = {"field\n/cam": state, "field/b": {"labels": "no list"}}
    assert click.unstyle(lines.states(latest)).isprintable()
    assert len(lines.table(latest).splitlines()) == 3


def test_payloads_that_are_no_json_end_nothing() -> None:
    for payload in ("[" * 100_000, "\x00", '{"a":' * 50_000, "9" * 5000, "[]", "NaN"):
        received = Received("field", "cam", "event", payload, 0.0, False)
        assert received.content == {}
        assert lines.line(received) is not None
        assert Lint().check(received)
