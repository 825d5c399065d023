"""What lives as long as its sections of the configuration stay the same."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Generic, TypeVar

from edge.config import Config
from edge.errors import HedgerowError, TransientError

Thing = TypeVar("Thing")


class Part(Generic[Thing]):
    """Something that is opened, and opened anew where what it is made from changes."""

    def __init__(
        self,
        made_from: Callable[[Config], object],
        open_it: Callable[[Config], AbstractContextManager[Thing]],
    ) -> None:
        self._made_from = made_from
        self._open = open_it
        self._stack = ExitStack()
        self._config: Config | None = None
        self._open_now: list[Thing] = []

    @property
    def now(self) -> Thing:
        """What is open."""
        return self._open_now[0]

    def take(self, config: Config) -> None:
        """Close what is open, and open it from this configuration. Raises what that raises."""
        self.close()
        self._open_now = [self._stack.enter_context(self._open(config))]
        self._config = config

    def differs(self, config: Config) -> bool:
        """Whether this configuration makes another one of it."""
        return self._config is None or self._made_from(config) != self._made_from(self._config)

    def close(self) -> None:
        """Let it go."""
        self._stack.close()
        self._config, self._open_now = None, []


class LostError(TransientError):
    """What was open could not be opened again: only a new start helps."""


@contextmanager
def exchanged(parts: Sequence[Part[Any]], before: Config, after: Config) -> Iterator[None]:
    """`parts` are taken from the configuration `after`; where one of them or the body of `with`
    raises, from `before` again.

    Raises LostError where that fails too.
    """
    begun: list[Part[Any]] = []
    try:
        for part in parts:
            begun.append(part)
            part.take(after)
        yield
    except Exception:
        try:
            for part in begun:
                part.take(before)
        except HedgerowError as error:
            raise LostError(str(error)) from None
        raise
