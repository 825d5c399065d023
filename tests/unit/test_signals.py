"""Signals set events, whatever the main thread is doing."""

import os
import signal
from collections.abc import Iterator
from threading import Event, current_thread, main_thread

import pytest

from edge.cli.signals import on_signal


class Noted(Event):
    """An event that knows who set it."""

    setter = ""

    def set(self) -> None:
        self.setter = current_thread().name
        super().set()


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_each_signal_sets_the_event() -> None:
    event = Event()
    on_signal(event, signal.SIGUSR1, signal.SIGUSR2)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
        event.clear()
        os.kill(os.getpid(), number)
        assert event.wait(10)


def test_never_from_the_main_thread_which_may_hold_the_events_lock() -> None:
    """SIGTERM within `Event.wait()` once left a daemon that never ended."""
    event = Noted()
    on_signal(event, signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert event.wait(10)
    assert event.setter != main_thread().name
