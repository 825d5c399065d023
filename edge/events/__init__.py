"""Detections over time -> Events, each story told once. Pure: time comes in with the frame."""

from edge.events.labels import EventTracker
from edge.events.objects import ObjectEvents
from edge.events.rules import Profile, Rule, RuleBook

__all__ = ["EventTracker", "ObjectEvents", "Profile", "Rule", "RuleBook"]
