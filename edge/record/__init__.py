"""Snapshots and clips of events, in a folder that never grows too large."""

from edge.record.clips import SourceRecorder, draw
from edge.record.film import fitted
from edge.record.kept import Kept
from edge.record.recorder import Recorder

__all__ = ["Kept", "Recorder", "SourceRecorder", "draw", "fitted"]
