"""Frames as a camera gives them -> the newest one whenever somebody asks."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from threading import Condition, Event, Thread

from edge.capture.trouble import in_words
from edge.errors import HedgerowError, TransientError
from edge.types import Frame


class Newest:
    """A live source: a thread of its own drains the camera; frames nobody took are counted."""

    live = True
    skipped = 0

    def __init__(self, grab: Callable[[Event], Iterator[Frame]], fps: float = 0.0) -> None:
        """`grab` yields frames until its event is set; `fps` above 0 is the most handed out."""
        self._grab = grab
        self._interval_s = 1.0 / fps if fps else 0.0
        self._stopped = Event()
        self._changed = Condition()
        self._frame: Frame | None = None
        self._waiting = 0
        self._over = False
        self._error: HedgerowError | None = None
        self.dropped = 0

    def __iter__(self) -> Iterator[Frame]:
        """The newest frame each time; raises what ended the camera."""
        Thread(target=self._drain, name="camera", daemon=True).start()
        due_s = time.monotonic()
        while not self._stopped.wait(max(0.0, due_s - time.monotonic())):
            frame = self._take()
            if frame is None:
                break
            due_s = max(due_s + self._interval_s, time.monotonic() - self._interval_s)
            yield frame
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """From any thread: the camera is let go and the iteration ends."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def _drain(self) -> None:
        try:
            for frame in self._grab(self._stopped):
                with self._changed:
                    self._waiting += frame.dropped + (self._frame is not None)
                    self._frame = frame
                    self._changed.notify_all()
        except HedgerowError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  unseen, it would leave a source that waits for ever
            self._error = TransientError(f"the camera's process: {in_words(error)}")
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _take(self) -> Frame | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._frame is not None or self._over or self._stopped.is_set()
            )
            frame, self._frame = self._frame, None
            missed, self._waiting = self._waiting, 0
        if frame is None or self._stopped.is_set():
            return None
        self.dropped += missed
        return dataclasses.replace(frame, dropped=missed)
