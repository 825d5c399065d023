"""A source -> the same source with altered pictures."""

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.alter import Alter
from edge.types import Frame

if TYPE_CHECKING:
    from edge.sources.open import Source


class Altered:
    """Another source's frames, their pictures altered; in all else that source."""

    def __init__(self, source: "Source", alter: Alter) -> None:
        self._source = source
        self._alter = alter
        self.live = source.live

    @property
    def skipped(self) -> int:
        """Pictures that could not be read."""
        return self._source.skipped

    @property
    def dropped(self) -> int:
        """Frames that came and that nobody took."""
        return self._source.dropped

    def __iter__(self) -> Iterator[Frame]:
        """No frame leaves it as it came."""
        for frame in self._source:
            yield dataclasses.replace(frame, image=self._alter(frame.image))

    def stop(self) -> None:
        """From any thread: the iteration ends within a second."""
        self._source.stop()
