"""Where frames come from: `open_source` chooses by the URI's scheme."""

from edge.sources.open import Source, open_source

__all__ = ["Source", "open_source"]
