"""A lock that is given in the order in which it was asked for."""

from collections import deque
from threading import Lock


class Turns:
    """`with turns:` waits for those that came before, and for nobody else.

    Python's own Lock lets a thread that has just given it back take it again: a camera at full
    speed would overtake another one dozens of times in a row.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._busy = False
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._busy:
                self._busy = True
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # given back by whoever is before us

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._busy = False
