"""TensorFlow's process may die at any time; what comes after it goes on with another."""

import os
import signal
import threading
from pathlib import Path

import pytest

from converter.workshop import Workshop
from edge.errors import FatalError
from tests.benchmarks.process import running

JOB = {"ranged": "missing.tflite", "out": "int8.tflite", "io": "int8", "in_float": []}
"""Answered, and needs no TensorFlow."""


def _workers() -> set[int]:
    return set(running("converter.worker"))


def test_a_death_is_told_and_the_next_job_is_done(tmp_path: Path) -> None:
    others = _workers()
    with Workshop(tmp_path, progress=False) as workshop:
        _ask(workshop, r"missing\.tflite")
        (child,) = _workers() - others
        os.kill(child, signal.SIGSTOP)
        killer = threading.Timer(0.5, os.kill, (child, signal.SIGKILL))
        killer.start()
        _ask(workshop, r"^quantising: .* ended \(SIGKILL\)")
        killer.join()
        _ask(workshop, r"missing\.tflite")
        (another,) = _workers() - others
        assert another != child


def _ask(workshop: Workshop, error: str) -> None:
    with pytest.raises(FatalError, match=error):
        workshop.ask("quantize", "quantising", JOB)
