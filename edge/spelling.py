"""Labels of edge.toml in the model's own spelling. Pure.

An editor and a model may write one letter in two Unicode forms, which look the same.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel

from edge.text import composed

Table = TypeVar("Table", bound=BaseModel)


class Spelling:
    """The labels of one model."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._own = {composed(label): label for label in labels}

    def own(self, label: str) -> str:
        """The model's spelling; a label that it does not have stays as it is."""
        return self._own.get(composed(label), label)

    def table(self, table: Table) -> Table:
        """A copy of a table with its `labels` and `label` in that spelling."""
        changed: dict[str, Any] = {}
        if labels := getattr(table, "labels", None):
            changed["labels"] = tuple(map(self.own, labels))
        if rules := getattr(table, "label", None):
            changed["label"] = {self.own(label): rule for label, rule in rules.items()}
        return table.model_copy(update=changed)
