"""Messages -> JSON lines, on stdout or in a file that rotates: the feed without MQTT."""

import logging
import sys
from pathlib import Path
from threading import Lock
from typing import Protocol, TextIO

from edge.config import FileConfig
from edge.errors import FatalError
from edge.feed import own_lines
from edge.feed.message import Message

log = logging.getLogger(__name__)

KINDS = ("/event", "/observation", "/summary")


class Sink(Protocol):
    """Where messages go beside MQTT."""

    def publish(self, message: Message) -> None:
        """Take one message; may lose it."""
        ...


class JsonLines:
    """Events, observations and summaries as lines on stdout."""

    def publish(self, message: Message) -> None:
        """Print it if it is an event, an observation or a summary."""
        if message.topic.endswith(KINDS):
            sys.stdout.write(message.text + "\n")
            sys.stdout.flush()


class JsonFile:
    """Events and observations as lines of a file; full, it becomes NAME.1, that NAME.2, and so on.

    Not the outbox: what a power cut or a full disk takes is lost here, and said in the log.
    """

    def __init__(self, config: FileConfig) -> None:
        """Raises FatalError where the file cannot be opened, or is not ours."""
        assert config.path is not None
        self._path: Path = config.path
        self._config = config
        self._lock = Lock()
        self._failing = False
        own_lines.check(self._path, config.keep)
        try:
            self._file: TextIO = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise FatalError(f"file.path: {self._path}: {error.strerror}") from None

    def publish(self, message: Message) -> None:
        """Append it if it is an event or an observation."""
        if not message.topic.endswith(KINDS):
            return
        with self._lock:
            try:
                self._file.write(message.text + "\n")
                self._file.flush()
                if self._file.tell() >= self._config.max_bytes:
                    self._rotate()
                self._failing = False
            except OSError as error:
                if not self._failing:
                    log.error("file.path: %s: %s; lines are lost", self._path, error.strerror)
                self._failing = True

    def close(self) -> None:
        """No more lines come."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        try:
            for number in range(self._config.keep - 1, 0, -1):
                older = Path(f"{self._path}.{number}")
                if older.exists():
                    older.rename(f"{self._path}.{number + 1}")
            self._path.rename(f"{self._path}.1")
        finally:
            self._file = self._path.open("a", encoding="utf-8")
