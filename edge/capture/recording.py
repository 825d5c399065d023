"""Video files -> every frame with its time, as a player shows them."""

import math
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av
from av.video.stream import VideoStream

from edge.capture.display import Display, aspect, pixels
from edge.capture.due import Due
from edge.capture.wire import LARGEST, Picture
from edge.errors import FatalError
from edge.text import shown

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,h264,hevc,m4v,gif,mjpeg,flv,ogg,asf,ivf"
"""Formats that hold pictures themselves; playlists, which name other files, are not among them."""
BREAKING = {"mpegts", "mpeg"}
"""Formats whose clock may start anew in the middle, as a camera writes it that was restarted."""
BREAK_S = 10.0
"""A clock of theirs that leaps by more has started anew; others have pauses that are meant."""


class Recording:
    """A video file's frames in order: `for at_s, picture in recording`."""

    def __init__(self, path: Path, width: int, step_s: float) -> None:
        """`step_s`: how far apart the frames are that will be looked at; 0: all of them.

        Raises FatalError for what is no video that can be decoded.
        """
        self._width = width
        self.skipped = 0
        """Damaged parts of the stream that could not be decoded."""
        self.broken = False
        """Whether its clock has started anew: its header's length is then of no use."""
        name = f"file:{shown(str(path))}"
        try:
            self._container = _opened(path)
        except (av.error.FFmpegError, OSError):
            raise FatalError(f"{name}: is not a video that can be decoded") from None
        stream = self._container.streams.best("video")  # the first may be a cover picture
        if not isinstance(stream, VideoStream):
            self._container.close()
            raise FatalError(f"{name}: holds no video")
        self._stream = stream
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
        """Frames a second."""
        microseconds = self._container.duration
        self.length_s = microseconds / 1e6 if microseconds else 0.0
        """As the header has it; 0 where it says nothing."""
        self._stream.codec_context.options = {"max_pixels": str(LARGEST)}
        self.due = Due(step_s, self.rate)
        """Which of its frames will be looked at."""
        self._firsts: dict[int, float] = {}
        self._start_s: float | None = None
        # One thread does a fifth less work than several; they pay where every frame is looked at.
        self._sparing = step_s > 1.5 / self.rate
        self._stream.thread_type = "NONE" if self._sparing else "FRAME"

    def __iter__(self) -> Iterator[tuple[float, Picture]]:
        """Seconds from the first frame, and the frame, not yet converted.

        A damaged part is passed over. Ends where the file does, or cannot be read any further.
        """
        clock = Clock(1.0 / self.rate, bool(BREAKING & {*self._container.format.name.split(",")}))
        for frame in self._decoded():
            at_s = clock.at(None if frame.time is None else float(frame.time))
            self.broken = clock.broken
            if self.broken or (at_s == 0.0 and frame.time != self._start_s):
                self._sparing = False  # the packets' times do not tell the frames' own
            yield at_s, partial(pixels, frame, self._display(frame))

    def _decoded(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                return
            if packet is None:
                return
            spared = self._sparing and not self._may_be_due(packet)
            self._stream.codec_context.skip_frame = "NONREF" if spared else "DEFAULT"
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.skipped += 1
                continue
            yield from (frame for frame in frames if isinstance(frame, av.VideoFrame))

    def _may_be_due(self, packet: "av.Packet[VideoStream]") -> bool:
        """Whether no frame has come yet that is earlier in the same step. The others are not
        decoded if no frame refers to them, which is a third of the work."""
        if packet.pts is None:
            return True
        time_s = float(packet.pts * packet.time_base)
        self._start_s = time_s if self._start_s is None else self._start_s
        step = self.due.step(time_s - self._start_s)
        if time_s >= self._firsts.get(step, math.inf):
            return False
        self._firsts[step] = time_s
        return True

    def _display(self, frame: av.VideoFrame) -> Display:
        """Turned as the file says that it is to be shown: telephones film on their side."""
        return Display(self._width, aspect(self._stream), round(frame.rotation / 90) % 4)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()


class Clock:
    """The frames' own times -> seconds from the first, which never go back."""

    def __init__(self, frame_s: float, breaking: bool) -> None:
        """`breaking`: whether a leap ahead means that the clock has started anew."""
        self._frame_s = frame_s
        self._breaking = breaking
        self._last_s: float | None = None
        self._ahead_s = 0.0
        self.broken = False

    def at(self, time_s: float | None) -> float:
        """Of the next frame; one without a time comes a frame after the one before."""
        if self._last_s is None:
            self._last_s = time_s or 0.0
            self._ahead_s = -self._last_s
            return 0.0
        if time_s is None:
            time_s = self._last_s + self._frame_s
        step_s = time_s - self._last_s
        if step_s < 0 or (self._breaking and step_s > BREAK_S):
            self.broken = True
            self._ahead_s += self._frame_s - step_s
        self._last_s = time_s
        return time_s + self._ahead_s


def _opened(path: Path) -> av.container.InputContainer:
    """By a descriptor where FFmpeg could not be told the name: it takes UTF-8."""
    options = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
    try:
        name = str(path.absolute())
        name.encode()
    except UnicodeEncodeError:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return av.open(f"file:/proc/self/fd/{descriptor}", options=options)
        finally:
            os.close(descriptor)
    return av.open(f"file:{name}", options=options)
