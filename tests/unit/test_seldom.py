"""Log lines that repeat: at once, then seldom and counted."""

from edge.seldom import KINDS, Seldom


def test_each_kind_is_said_at_once_then_seldom_with_a_count() -> None:
    seldom = Seldom(quiet_s=300)
    said = [(at, seldom.say(f"answers {(at % 2 and 'badly') or 'not'}", at)) for at in range(900)]
    assert [(at, line) for at, line in said if line] == [
        (0, "answers not"),
        (1, "answers badly"),
        (300, "answers not (150 times in 300 s)"),
        (301, "answers badly (150 times in 300 s)"),
        (600, "answers not (150 times in 300 s)"),
        (601, "answers badly (150 times in 300 s)"),
    ]


def test_numbers_make_no_new_kind() -> None:
    seldom = Seldom()
    assert seldom.say("2 bytes before marker 0xd9", 0.0)
    assert seldom.say("17 bytes before marker 0xd9", 1.0) is None


def test_what_comes_again_after_a_long_silence_is_said_as_it_is() -> None:
    seldom = Seldom(quiet_s=300)
    assert seldom.say("gone", 0.0) == "gone"
    assert seldom.say("gone", 1000.0) == "gone"


def test_a_thousand_kinds_are_few_lines_and_little_memory() -> None:
    seldom = Seldom(quiet_s=300)
    lines = [seldom.say("x" * number, number / 100) for number in range(1, 1000)]
    assert sum(line is not None for line in lines) == KINDS + 1
    assert len(seldom._said) <= KINDS + 1
    assert seldom.say("new", 400.0) == "new"
