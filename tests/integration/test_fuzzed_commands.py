"""A short run of tests/fuzz_commands.py; the whole one takes minutes."""

from tests import fuzz_commands


def test_hostile_commands_end_nothing_and_are_all_answered(demo_photographs: None) -> None:
    figures, wrong = fuzz_commands.run(2000, seed=3)
    late_or_large = {
        "events were late",
        "memory grew",
    }  # says little of a short run on a busy machine
    assert not set(wrong) - late_or_large, figures
