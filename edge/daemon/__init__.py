"""Wiring and supervision: a configuration becomes sources, pipelines and a feed."""

from edge.daemon.daemon import Daemon, Summary

__all__ = ["Daemon", "Summary"]
