"""Messages -> JSON lines, on stdout or in a file that rotates: the feed without MQTT."""

import errno
import logging
import os
import stat
import sys
from pathlib import Path
from threading import Lock
from typing import Protocol

from edge.config import FileConfig
from edge.errors import FatalError
from edge.feed import own_lines
from edge.feed.message import Message
from edge.feed.payloads import FileStatus

log = logging.getLogger(__name__)

KINDS = ("/event", "/observation", "/summary")
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE)
"""What a disk may say now and not later: no reason to refuse the configuration."""


class Sink(Protocol):
    """Where messages go beside MQTT."""

    def publish(self, message: Message) -> None:
        """Take one message; may lose it."""
        ...


class JsonLines:
    """Events, observations and summaries as lines on stdout: UTF-8, whatever the locale says."""

    def __init__(self) -> None:
        self._failing = ""

    def publish(self, message: Message) -> None:
        """Print it if it is an event, an observation or a summary.

        Raises BrokenPipeError when nobody reads any more.
        """
        if not message.topic.endswith(KINDS):
            return
        try:
            sys.stdout.buffer.write(message.text.encode("utf-8", "replace") + b"\n")
            sys.stdout.buffer.flush()
            self._failing = ""
        except BrokenPipeError:
            raise
        except OSError as error:
            if self._failing != str(error):
                log.error("stdout: %s; lines are lost", error.strerror)
            self._failing = str(error)


class JsonFile:
    """Events and observations as lines of a file; full, it becomes NAME.1, that NAME.2, and so on.

    Not the outbox: what a power cut or a full disk takes is lost here, said once in the log and
    counted in the status. A file that is moved or deleted is made anew with the next line.
    """

    def __init__(self, config: FileConfig) -> None:
        """Raises FatalError where the file cannot be opened, or is not ours."""
        assert config.path is not None
        self._path: Path = config.path
        self._config = config
        self._lock = Lock()
        self._file: int | None = None
        self._lost = self._told = 0
        self._reason = ""
        self._stuck = False
        own_lines.check(self._path, config.keep)
        try:
            self._open()
        except OSError as error:
            if error.errno not in PASSING:
                raise FatalError(f"file.path: {self._path}: {error.strerror}") from None
            self._fail(error)

    def publish(self, message: Message) -> None:
        """Append it if it is an event or an observation; never raises."""
        if not message.topic.endswith(KINDS):
            return
        with self._lock:
            try:
                self._append(self._open(), message.text.encode("utf-8", "replace") + b"\n")
            except OSError as error:
                self._lost += 1
                self._fail(error)

    def status(self) -> FileStatus:
        """Which lines were lost, and why they are now."""
        return FileStatus(lost=self._lost, reason=self._reason)

    def close(self) -> None:
        """No more lines come."""
        with self._lock:
            if self._lost > self._told:
                log.error("file.path: %s: %d lines are lost", self._path, self._lost - self._told)
            self._let_go()

    def _append(self, file: int, line: bytes) -> None:
        """The whole line or nothing of it."""
        before = os.fstat(file)
        written = os.write(file, line)
        if written < len(line):
            if stat.S_ISREG(before.st_mode):
                os.ftruncate(file, before.st_size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._reason:
            log.warning("file.path: %s: takes lines again; %d are lost",
                        self._path, self._lost - self._told)  # fmt: skip
            self._reason, self._told = "", self._lost
        if stat.S_ISREG(before.st_mode) and before.st_size + written >= self._config.max_bytes:
            self._rotate()

    def _open(self) -> int:
        """The file that the path names now. Raises OSError."""
        if self._file is not None and not self._named(self._file):
            self._let_go()
        if self._file is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o666)
        return self._file

    def _named(self, file: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(file))
        except OSError:
            return False

    def _rotate(self) -> None:
        self._let_go()
        try:
            for number in range(self._config.keep - 1, 0, -1):
                older = Path(f"{self._path}.{number}")
                if older.exists():
                    older.rename(f"{self._path}.{number + 1}")
            self._path.rename(f"{self._path}.1")
            self._stuck = False
        except OSError as error:
            if not self._stuck:
                log.error("file.path: %s: cannot be renamed when it is full: %s; it grows",
                          self._path, error.strerror)  # fmt: skip
            self._stuck = True

    def _let_go(self) -> None:
        """Some file systems find no room only when a file is closed."""
        file, self._file = self._file, None
        try:
            if file is not None:
                os.close(file)
        except OSError as error:
            log.error("file.path: %s: %s when it was closed; its last lines may be lost",
                      self._path, error.strerror)  # fmt: skip

    def _fail(self, error: OSError) -> None:
        self._let_go()
        if not self._reason:
            log.error("file.path: %s: %s; lines are lost until it can be written",
                      self._path, error.strerror)  # fmt: skip
        self._reason = error.strerror or str(error)
