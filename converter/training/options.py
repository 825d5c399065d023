"""What the user asked for -> checked values of a training run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Backbone = Literal[
    "efficientnet-lite0-small",
    "efficientnet-lite0-medium",
    "efficientnet-lite0",
    "mobilenet-0.25",
    "mobilenet-0.5",
    "mobilenet-v2-0.35",
    "mobilenet-v3-small",
    "efficientnet-b0",
]
Scenario = Literal["leaf", "ground", "scene"]
"""leaf: close to a plant, any way up; ground: seen from above, any way up; scene: as a camera on
a wall sees people, animals and vehicles, never upside down."""


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; every field has its default."""

    validation: Path | None = None
    """Pictures that decide when to stop; empty: a part of the data."""
    test: Path | None = None
    """Pictures that measure the finished network, used for nothing else; empty: a part."""
    labels: tuple[str, ...] = ()
    backbone: Backbone = "efficientnet-lite0-small"
    weights: str = "imagenet"
    """imagenet (EfficientNet-Lite0's are installed, Keras downloads the others), none, or a file of
    the backbone's weights."""
    size: int = 128
    """Side of the network's square input, pixels."""
    scenario: Scenario = "leaf"
    epochs: int = 40
    batch: int = 32
    rate: float = 1e-3
    """The largest learning rate."""
    dropout: float = 0.2
    weight_decay: float = 1e-4
    seed: int = 1
    progress: bool = True
