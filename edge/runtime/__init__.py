"""A verified model -> something that infers: the first delegate of the list that is right."""

from edge.runtime.delegates import Runtime, open_runtime

__all__ = ["Runtime", "open_runtime"]
