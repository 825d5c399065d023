"""What anybody may send on command/<name>, and what is answered, carried out and logged."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from edge.errors import TransientError
from edge.feed import commands, reading
from edge.feed.clock import Clock
from edge.feed.commands import Asked, Commands
from edge.feed.log_rate import LogRate
from edge.feed.message import Message
from edge.feed.replays import MOST, Replays


class Wire:
    """What Commands needs of a connection: somebody who sends, and what was answered."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self._listener: Callable[[Message], None] = lambda _: None

    def listen(self, topics: str, listener: Callable[[Message], None]) -> None:
        assert topics == "hedgerow/field/command/+"
        self._listener = listener

    def publish(self, message: Message) -> None:
        self.answers.append(json.loads(message.payload))

    def send(self, name: str, payload: str | bytes = "", retain: bool = False) -> None:
        self._listener(Message(f"hedgerow/field/command/{name}", payload, retain=retain))


class Desk:
    """Commands on a wire, carried out by hand."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.commands = Commands("field", self.wire, Clock())  # type: ignore[arg-type]

    def taken(self) -> list[Asked]:
        found = []
        while (asked := self.commands.take()) is not None:
            found.append(asked)
        return found

    def refusal(self, name: str, payload: str | bytes) -> dict[str, Any]:
        self.wire.send(name, payload)
        assert self.taken() == []
        return self.wire.answers.pop()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("name", "payload", "number", "error"),
    [
        ("replay", '{"id": "7", "from_seq": 9223372036854775808}', "7", "from_seq: Input should"),
        ("replay", '{"id": "7", "from_seq": 1, "to_seq": 1e300}', "7", "to_seq: "),
        ("replay", '{"from_seq": %s, "id": "7"}' % ("9" * 5000), "7", "Invalid JSON: a number of"),
        ("replay", '{"from_seq": 1, "to_seq": -9223372036854775809, "id": "7"}', "7", "to_seq: "),
        ("threshold", '{"id": "7", "label": "a", "enter": NaN}', "7", "Invalid JSON: NaN"),
        ("threshold", '{"id": "7", "label": "a", "enter": -Infinity}', "7", "Invalid JSON: -Inf"),
        ("threshold", '{"id": "7", "label": "a", "enter": 1e999}', "7", "enter: "),
        ("threshold", '{"id": "7", "label": "\\ud800", "enter": 1}', "7", "Invalid JSON"),
        ("pause", '{"id": "7", "source": "a", "source": "b"}', "7", "source: is there twice"),
        ("pause", '{"id": "7", "source": "../a"}', "7", "source: "),
        ("pause", '{"id": "7", "x": %s}' % ("[" * 30_000), "7", "Invalid JSON: is nested too"),
        ("pause", '{"id": "7", "x": ' + "[" * 900 + "]" * 900 + "}", "7", ""),
        ("pause", b'{"id": "7", "source": "\xff"}', "7", "is not UTF-8 text"),
        ("pause", '{"id": "7", "source": }', "7", "Invalid JSON: "),
        ("pause", '{"id": "7", "source": "%s"}' % ("x" * 100_000), "7", "is longer than 65536"),
        ("pause", '{"id": 7}', "7", "id: "),
        ("pause", '{"id": {"id": "7"}}', "", "id: "),
        ("pause", '{"id": "%s"}' % ("x" * 65), "x" * 65, "id: String should have at most 64"),
        ("pause", '{"id": "a\\nERROR: b"}', "a\nERROR: b", "id: expected text without line"),
        ("pause", '{"id": "\\ud800"}', "?", "Invalid JSON: "),
        ("pause", '["id"]', "", "expected a JSON object"),
        ("pause", "null", "", "expected a JSON object"),
        ("pause", '{"id": "7", "expires": "9999-12-31T23:59:59-23:59"}', "7", "expires: "),
        ("sauce", '{"id": "7"}', "7", "no such command; there are pause"),
        ("sauce\nERROR: x", '{"id": "7"}', "7", "no such command"),
        ("", '{"id": "7"}', "7", "no such command"),
    ],
)  # fmt: skip
def test_what_is_refused_is_answered_with_its_own_id(
    desk: Desk, name: str, payload: str | bytes, number: str, error: str
) -> None:
    answer = desk.refusal(name, payload)
    assert (answer["ok"], answer["id"]) == (False, number)
    assert answer["error"].startswith(error), answer["error"]
    assert "\n" not in answer["error"] + answer["command"]


def test_a_byte_order_mark_is_no_part_of_a_command(desk: Desk) -> None:
    desk.wire.send("report", b'\xef\xbb\xbf{"id": "7"}\r\n')
    (asked,) = desk.taken()
    assert asked.command.id == "7"


def test_no_payload_forges_a_line_of_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk.refusal("pause", '{"id": "7\\n2026-01-01 ERROR: the disk is full"}')
    desk.refusal("pause\nERROR: forged", "{}")
    desk.refusal("pause", '{"a\\nERROR: forged": 1}')
    desk.wire.send("pause\nERROR: forged", "{}", retain=True)
    assert caplog.messages
    assert not any("\n" in line for line in caplog.messages)


def test_clearing_a_retained_command_does_nothing_on_a_switch(desk: Desk) -> None:
    for name in ("pause", "resume"):
        assert "an empty payload does nothing" in desk.refusal(name, "")["error"]
        assert not desk.refusal(name, " \n")["ok"]
    desk.wire.send("pause", "{}")
    desk.wire.send("report", "")
    assert [type(a.command).__name__ for a in desk.taken()] == ["Pause", "Report"]


def test_a_retained_command_is_counted_and_not_answered(desk: Desk) -> None:
    desk.wire.send("pause", '{"id": "old"}', retain=True)
    assert desk.taken() == []
    assert (desk.wire.answers, desk.commands.ignored) == ([], 1)


def test_one_id_is_carried_out_once_and_answered_each_time(desk: Desk) -> None:
    for _ in range(3):
        desk.wire.send("snapshot", '{"id": "7", "source": "cam"}')
    (asked,) = desk.taken()
    desk.wire.send("snapshot", '{"id": "7", "source": "cam"}')
    assert desk.taken() == [], "it is being carried out"
    asked.done(snapshot="topic")
    asked.refuse("too late")
    assert [(a["id"], a["ok"]) for a in desk.wire.answers] == [("7", True)] * 4
    desk.wire.send("snapshot", '{"id": "7", "source": "cam"}')
    assert desk.taken() == []
    assert len(desk.wire.answers) == 5


def test_equal_commands_are_carried_out_once_and_all_are_answered(desk: Desk) -> None:
    for number in range(200):
        desk.wire.send("reload", json.dumps({"id": f"r{number}"}))
        desk.wire.send("replay", json.dumps({"id": f"p{number}", "from_seq": 1 + number % 2}))
    found = desk.taken()
    assert sum(isinstance(a.command, commands.Reload) for a in found) == 1
    for asked in found:
        asked.done()
    assert len(desk.wire.answers) == 400
    assert {a["id"] for a in desk.wire.answers} == {f"{c}{n}" for c in "rp" for n in range(200)}


def test_a_switch_ends_as_it_was_set_last(desk: Desk) -> None:
    """Equal commands are one only where none stands between them."""
    for paused in (True, True, False, True):
        desk.wire.send("pause", json.dumps({"paused": paused}))
    assert [a.command.paused for a in desk.taken()] == [True, False, True]  # type: ignore[attr-defined]


def test_a_flood_is_bounded_and_every_command_of_it_is_answered(desk: Desk) -> None:
    for number in range(10_000):
        desk.wire.send("snapshot", json.dumps({"id": f"{number}", "source": f"cam{number % 997}"}))
    found = desk.taken()
    assert 0 < len(found) <= 1000
    for asked in found:
        asked.done()
    assert {a["id"] for a in desk.wire.answers} == {str(number) for number in range(10_000)}
    busy = [a for a in desk.wire.answers if not a["ok"]]
    assert busy[0]["error"] == "1000 others wait: send it again later"
    desk.wire.send("snapshot", '{"id": "9999", "source": "cam"}')
    assert len(desk.taken()) == 1, "a refused one may be sent again"


def test_large_payloads_that_wait_are_bounded_by_their_bytes(desk: Desk) -> None:
    for number in range(100):
        desk.wire.send("report", json.dumps({"id": f"{number}"}) + " " * 60_000)
    refused = sum(not a["ok"] for a in desk.wire.answers)
    assert 75 < refused < 90


def test_what_waits_at_the_end_is_answered(desk: Desk) -> None:
    desk.wire.send("snapshot", '{"id": "1", "source": "cam"}')
    desk.taken()
    desk.wire.send("report", '{"id": "2"}')
    desk.commands.close()
    assert [(a["id"], a["error"]) for a in desk.wire.answers] == [
        ("2", "this daemon is ending: send it again"),
        ("1", "this daemon is ending: send it again"),
    ]


def test_the_longest_hostile_payloads_take_little_time() -> None:
    for payload in (b'"id":' * 13_000, b'{"id": "' + b"\\" * 65_000, b'"id":"a' * 9000):
        reading.found_id(payload)
    with pytest.raises(reading.Refused):
        reading.command(commands.Pause, b"{" + b",".join(b'"%d":1' % n for n in range(7000)) + b"}")


def test_lines_of_the_log_are_limited_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [0.0]
    lines = LogRate(logging.getLogger("x"), lines=3, per_s=10.0, mono=lambda: now_s[0])
    for number in range(10):
        lines.warning("line %d", number)
    assert caplog.messages == ["line 0", "line 1", "line 2"]
    lines.flush()
    now_s[0] = 11.0
    lines.flush()
    assert caplog.messages[3:] == ["7 more lines like these were not logged"]
    lines.warning("line 10")
    assert caplog.messages[4:] == ["line 10"]


def test_replays_are_merged_bounded_and_can_be_called_off() -> None:
    replays = Replays()
    for after in (10, 0, 5, 15, 0, 0):
        replays.add(after, after + 5)
    assert list(replays.ranges) == [(0, 20)]
    replays.sent(7)
    replays.add(0, 3)
    assert list(replays.ranges) == [(0, 3), (7, 20)]
    replays.sent(3)
    assert replays.first == (7, 20)
    replays.clear()
    assert not replays
    for number in range(MOST):
        replays.add(10 * number, 10 * number + 1)
    with pytest.raises(TransientError, match="100 other replays wait"):
        replays.add(10_000, 10_001)
    replays.add(5000, 5001, must=True)
    replays.add(0, 20_000)
    assert list(replays.ranges) == [(0, 20_000)], "one that joins others is no other"


def test_replays_of_readers_stay_apart_and_are_bounded_together() -> None:
    replays = Replays()
    replays.add(0, 10, reader="a")
    replays.add(5, 20, reader="b")
    replays.add(8, 12, reader="a")
    assert (replays.reader, replays.ranges) == ("a", ((0, 12), (5, 20)))
    replays.sent(12)
    assert (replays.reader, replays.first) == ("b", (5, 20))
    for number in range(MOST - 1):
        replays.add(0, 1, reader=f"reader-{number}")
    with pytest.raises(TransientError, match="100 other replays wait"):
        replays.add(0, 1, reader="one-more")
    replays.add(0, 30, reader="b")
    replays.sent(30)
    replays.add(0, 1, reader="one-more")
