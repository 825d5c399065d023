"""Damaged and hostile model files: refused with one line, the daemon's process goes on."""

from pathlib import Path

from tests import fuzz, fuzz_parts


def test_mutated_files_do_not_take_the_daemon_down(testdata: Path) -> None:
    """A sample; `python -m tests.fuzz --count 10000` is the whole of it (docs/runtime.md)."""
    outcomes, crashes = fuzz.run(count=60, seed=7)
    assert not crashes
    assert sum(outcomes.values()) == 60
    assert any("refused by the pre-flight" in outcome for outcome in outcomes)


def test_parts_that_lie_are_refused_in_one_line_within_the_memory() -> None:
    """A sample; `python -m tests.fuzz_parts --count 10000` is the whole of it."""
    outcomes, faults = fuzz_parts.run(count=60, seed=7)
    assert not faults
    assert sum(outcomes.values()) == 60
