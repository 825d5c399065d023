"""An iterator's items, each made in a thread while the one before it is used."""

from collections.abc import Generator, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """One item ahead, no more. The items are made and closed by one thread only."""

    def __init__(self, items: Generator[Item, None, None]) -> None:
        self._items = items
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._made: SimpleQueue[Item | Exception | None] = SimpleQueue()
        self._stopped = False

    def __iter__(self) -> Iterator[Item]:
        """Read once; raises what the items raise."""
        Thread(target=self._make, name="ahead", daemon=True).start()
        self._asked.put(True)
        try:
            while (item := self._made.get()) is not None and not self._stopped:
                if isinstance(item, Exception):
                    raise item
                self._asked.put(True)
                yield item
        finally:
            self._asked.put(False)

    def stop(self) -> None:
        """From any thread: the reader's iteration ends, though the next item may never be made."""
        self._stopped = True
        self._made.put(None)

    def _make(self) -> None:
        try:
            while self._asked.get():
                self._made.put(next(self._items, None))
        except Exception as error:  # noqa: BLE001  it is the reader's: raised there
            self._made.put(error)
        finally:
            self._items.close()
