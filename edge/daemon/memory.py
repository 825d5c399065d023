"""What outlasts a restart: which sources are paused, and when each label's latest story ended.

One small JSON file in the state folder, written whole. A damaged one counts as none.
"""

import json
import logging
import time
from pathlib import Path
from threading import Lock
from typing import Any

from edge.config import Config, state_dir
from edge.files import write_whole

log = logging.getLogger(__name__)

SUFFIX = ".state.json"
SAVE_S = 1.0
"""Ends of stories are written at most this often: an SD card wears out."""


class Memory:
    """Thread-safe. Without a path, or with one that cannot be written, it ends with the process."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = Lock()
        self._paused: set[str] = set()
        self._ended_s: dict[str, dict[str, float]] = {}
        self._failure = ""
        self._due_s = 0.0
        if path is not None:
            self._read(path)
        else:
            log.warning(
                "there is no home directory: pauses and cool-downs last until the next start only; "
                "set outbox.folder or STATE_DIRECTORY"
            )
        self._written = self._content()

    def paused(self, source: str) -> bool:
        """Whether it was paused and nobody has resumed it."""
        return source in self._paused

    def pause(self, source: str, paused: bool) -> None:
        """On the disk when this returns, where the disk takes it."""
        with self._lock:
            (self._paused.add if paused else self._paused.discard)(source)
            self._save()

    def ended(self, source: str) -> dict[str, float]:
        """By label, when its latest story ended, at time.monotonic(); who ends one writes it."""
        with self._lock:
            return self._ended_s.setdefault(source, {})

    def move_to(self, path: Path | None) -> None:
        """The device has another name or folder: what is remembered goes with it."""
        with self._lock:
            if path != self._path:
                self._path, self._written = path, ([], {})
                self._save()

    def adopt(self, path: Path) -> None:
        """This device was called otherwise: what that file remembers goes on here, and it goes."""
        with self._lock:
            paused, ended_s = self._paused, self._ended_s
            self._read(path)
            self._paused, self._ended_s = self._paused | paused, self._ended_s | ended_s
            self._save()
            if self._written == self._content():
                path.unlink(missing_ok=True)

    def step(self, now_s: float) -> None:
        """Write what has changed, from time to time."""
        if now_s >= self._due_s:
            self._due_s = now_s + SAVE_S
            self.save()

    def save(self) -> None:
        """Write what has changed."""
        with self._lock:
            self._save()

    def _content(self) -> tuple[list[str], dict[str, dict[str, float]]]:
        ended_s = {name: dict(labels) for name, labels in self._ended_s.items() if labels}
        return sorted(self._paused), ended_s

    def _save(self) -> None:
        content = self._content()
        if self._path is None or content == self._written:
            return
        paused, ended_s = content
        offset_s = time.time() - time.monotonic()
        ended = {
            name: {label: round(at_s + offset_s, 3) for label, at_s in labels.items()}
            for name, labels in ended_s.items()
        }
        text = json.dumps({"paused": paused, "ended": ended}, ensure_ascii=False)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, text.encode())
            self._written, self._failure = content, ""
        except OSError as error:
            self._fails(f"{self._path}: cannot be written: {error.strerror}")

    def _fails(self, reason: str) -> None:
        if reason != self._failure:
            log.error("%s; pauses and cool-downs last until the next start only", reason)
        self._failure = reason

    def _read(self, path: Path) -> None:
        try:
            found: Any = json.loads(path.read_text(encoding="utf-8"))
            paused = {str(name) for name in found["paused"]}
            ended = {
                str(name): {str(label): float(at) for label, at in labels.items()}
                for name, labels in found["ended"].items()
            }
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("%s: is not readable (%s): begun anew", path, type(error).__name__)
            return
        now_s, now_unix_s = time.monotonic(), time.time()
        self._paused = paused
        self._ended_s = {
            name: {label: now_s - max(0.0, now_unix_s - at) for label, at in labels.items()}
            for name, labels in ended.items()
        }  # a clock that was set back since: the cool-down begins anew, it does not last for ever


def state_folder() -> Path | None:
    """Where this machine keeps what must outlast a restart; None for somebody without a home."""
    try:
        return state_dir()
    except RuntimeError:
        return None


def path_for(config: Config) -> Path | None:
    """The device's own file, beside its outbox."""
    where = config.outbox.folder or state_folder()
    return where / f"{config.device}{SUFFIX}" if where else None
