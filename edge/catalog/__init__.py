"""Public models by name: where they come from, what they mean, how they get here."""

from edge.catalog.entries import CATALOG, Entry, Remote, entries, find
from edge.catalog.fetch import Wanted, fetch
from edge.catalog.verify import verify

__all__ = ["CATALOG", "Entry", "Remote", "Wanted", "entries", "fetch", "find", "verify"]
