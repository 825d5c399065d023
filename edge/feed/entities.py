"""Entities of Home Assistant -> their ids, each its own whatever sources and labels are called."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge.text import shown

LONGEST = 100
"""Characters of a name's slug; Home Assistant takes 255 for a whole entity id."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity before it has its ids."""

    platform: str
    source: str
    """Empty for one that speaks of the device."""
    name: str
    keys: dict[str, Any]

    is_label: bool = False
    """Whether it is named by a label of the model, which may be anything."""

    @property
    def words(self) -> str:
        """The slug that it has if no other one has it."""
        return "_".join(slug(part) for part in (self.source, self.name) if part)

    @property
    def rank(self) -> tuple[bool, bool, str, str]:
        """Of entities with equal words the lowest keeps them: figures, then who is written so."""
        called = "_".join(part for part in (self.source, self.name) if part)
        return self.is_label, called != self.words, self.source, self.name


def components(device: str, entities: Iterable[Entity]) -> dict[str, dict[str, Any]]:
    """The components of a discovery payload.

    Slugs forget punctuation, case and Unicode's forms: of entities whose slugs are equal one keeps
    it, and the others get a mark of what they are called.
    """
    alike: dict[tuple[str, str], list[Entity]] = {}
    for entity in entities:
        alike.setdefault((entity.platform, entity.words), []).append(entity)
    made = {}
    for (platform, words), group in alike.items():
        first, *others = sorted(group, key=lambda entity: entity.rank)
        made[f"{words}_{platform}"] = _component(device, first, words)
        for entity in others:
            mark = hashlib.sha256(f"{entity.source}/{entity.name}".encode()).hexdigest()[:6]
            made[f"{words}_{mark}_{platform}"] = _component(device, entity, f"{words}_{mark}")
    return made


def _component(device: str, entity: Entity, name: str) -> dict[str, Any]:
    # farm + north_cam and farm_north + cam: only a device id without "_" is joined by it
    joined = f"{device}_{name}" if device.isalnum() else f"{device}.{name}"
    whole = f"{slug(device)}_{name}"
    return {
        "platform": entity.platform,
        "name": shown(f"{entity.source} {entity.name}".strip()),
        "unique_id": f"hedgerow_{joined}_{entity.platform}",
        "object_id": whole,  # until Home Assistant 2026.3
        "default_entity_id": f"{entity.platform}.{whole}",
        **entity.keys,
    }


def slug(text: str) -> str:
    """As Home Assistant wants entity ids; a number stands for what it cannot show."""
    made = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")
    plain = made == text.lower().replace("-", "_").replace(" ", "_")
    if made and plain and len(made) <= LONGEST:
        return made
    return f"{made[:LONGEST]}_{sum(text.encode()) % 997}"
