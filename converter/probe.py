"""The float network under other normalisations -> those that fit the pictures clearly better.

Wrong preprocessing costs more than quantisation and shows nowhere else.
"""

from typing import Any

import numpy as np

from converter import measure
from converter.data import Pixels
from converter.measure import Feed, Scores, Truth
from converter.options import Color, statistics
from converter.preparation import Prepared
from edge.model import InputContract
from edge.runtime.litert import LiteRt

PICTURES = 300
CLEARLY = 0.03
"""Share of the pictures by which another normalisation must be better, at the least."""
SIGMAS = 2.5
"""And by so many standard errors of the paired difference."""


def better_normalizations(prepared: Prepared, progress: bool) -> list[dict[str, Any]]:
    """Name and float accuracy of what beats the stated one, best first; empty without labels."""
    held_out, contract = prepared.split.held_out, prepared.contract.input
    if held_out.truth is None:
        return []
    pixels, truth = held_out.pixels[:PICTURES], held_out.truth[:PICTURES]
    if len(held_out.paths) > PICTURES:
        rows = np.random.default_rng(0).permutation(len(held_out.paths))[:PICTURES]
        pixels, truth = held_out.pixels[rows], held_out.truth[rows]
    network = LiteRt("float model", prepared.network, threads=2)
    stated = measure.scores(network, Feed(pixels, contract), "checking pixels", progress)
    found = []
    for name, feed in _alternatives(contract, pixels):
        other = measure.scores(network, feed, f"checking pixels as {name}", progress)
        if _clearly_better(other, stated, truth):
            found.append({"name": name, "float_accuracy": measure.accuracy(other, truth)})
    return sorted(found, key=lambda row: -float(row["float_accuracy"]))


def _alternatives(contract: InputContract, pixels: Pixels) -> list[tuple[str, Feed]]:
    tables = {}
    for name in ("0..1", "-1..1", "imagenet", "none"):
        mean, std = statistics(name, contract.color)
        if (mean, std) != (contract.mean, contract.std):
            tables[name] = contract.model_copy(update={"mean": mean, "std": std})
    found = [(f"--normalize {name}", Feed(pixels, other)) for name, other in tables.items()]
    if contract.color != "grey":
        swapped: Color = "bgr" if contract.color == "rgb" else "rgb"
        found.append((f"--color {swapped}", Feed(pixels[..., ::-1], contract)))
    return found


def _clearly_better(other: Scores, stated: Scores, truth: Truth) -> bool:
    gain = (other.argmax(axis=1) == truth).astype(float) - (stated.argmax(axis=1) == truth)
    error = float(gain.std()) / len(gain) ** 0.5
    return bool(float(gain.mean()) > max(CLEARLY, SIGMAS * error))
