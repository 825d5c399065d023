"""Things that take time -> a bar on stderr, shown once they have taken two seconds."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

DELAY_S = 2.0


def bar(items: Iterable[T], what: str, shown: bool) -> Iterator[T]:
    """The same items; a terminal or log sees how far they are."""
    from tqdm import tqdm

    yield from tqdm(items, desc=what, delay=DELAY_S, disable=not shown, file=sys.stderr)
