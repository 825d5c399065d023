"""One event as the journal keeps it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on its way to the broker."""

    seq: int
    topic: str
    payload: str
    urgent: bool
    """Starts and ends; updates are given up before them where room is short."""
    correctable: bool
    """Live, and written while nobody held the clock."""
    mono_s: float
    """time.monotonic() when it was told, seconds since the kernel's boot."""
    offset_s: float
    """Wall clock minus monotonic clock at that moment, seconds."""
    shift_s: float = 0.0
    """What its times are off by, known only after the clock was set."""
    story: str = ""
    """The id of the story that it tells of; empty: unknown."""
    ends: bool = False
    """Whether it ends that story."""
