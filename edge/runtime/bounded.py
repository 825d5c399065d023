"""A call that may never come back -> its result, or Hung after a time."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class Hung(Exception):  # noqa: N818
    """The call did not come back; its thread is lost, and so is this Bounded."""


class Bounded:
    """One thread that makes the calls, so that the caller's can give up on them.

    Nothing can end a thread that hangs in a library: it is left behind.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()
        Thread(target=self._run, name=name, daemon=True).start()

    def call(self, limit_s: float, function: Callable[..., Result], *arguments: Any) -> Result:
        """Raises what the function raises, and Hung after `limit_s` seconds."""
        self._calls.put((function, arguments))
        try:
            result, error = self._answers.get(timeout=limit_s)
        except Empty:
            self.close()
            raise Hung(f"it did not come back within {limit_s:g} s") from None
        if error is not None:
            raise error
        answer: Result = result
        return answer

    def close(self) -> None:
        """The thread ends, as soon as it comes back."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            function, arguments = call
            answer: tuple[Any, Exception | None]
            try:
                answer = (function(*arguments), None)
            except Exception as error:  # noqa: BLE001  it is the caller's: raised there
                answer = (None, error)
            self._answers.put(answer)
            del answer, call, function, arguments
