"""Detections over frames -> Tracks with stable numbers. Pure: time comes in with the frame."""

from edge.track.tracker import Tracker, TrackRule

__all__ = ["TrackRule", "Tracker"]
