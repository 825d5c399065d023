"""Signals -> events that a daemon waits for."""

import signal
from queue import SimpleQueue
from threading import Event, Thread


def on_signal(event: Event, *numbers: signal.Signals) -> None:
    """Set the event when one of these signals comes, from a thread of its own.

    A handler runs in the midst of what the main thread does. If that is this event's wait(), the
    wait holds the event's lock, and set() in the handler would wait for it for ever.
    """
    arrived: SimpleQueue[int] = SimpleQueue()  # its put() needs no lock

    def listen() -> None:
        while arrived.get():
            event.set()

    Thread(target=listen, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, lambda number, _: arrived.put(number))
