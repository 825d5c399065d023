"""What a network does to its input first, and what was asked -> the normalization to feed it."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converter.options import Options
from converter.scan import Layer, Scan
from edge.errors import FatalError

Expected = Literal["none", "0..1", "-1..1", "anything", ""]
"""What a network's own arithmetic is made for; `anything`: it does not tell; "": it has none."""

ONLY_PIXELS = 16.0
"""What is divided by this much, or shifted by it, are pixels of 0..255."""
CLOSE = 1e-3
ASSUMED = "0..1 is assumed"


def expected(at_0: npt.ArrayLike, at_1: npt.ArrayLike) -> Expected:
    """What the network's first layers make of an input of 0 and of 1, a value per channel ->
    the range that they are made for: networks like to see values of about -3 to 3, around 0."""
    low = np.asarray(at_0, np.float64).ravel()
    gain = np.asarray(at_1, np.float64).ravel() - low
    if not gain.size or not np.isfinite(low).all() or (np.abs(gain) < 1e-9).any():
        return "anything"
    middle = float(np.median(-low / gain))  # the input of which they make 0
    steep = float(np.median(np.abs(gain)))
    if steep <= 1 / ONLY_PIXELS or middle >= ONLY_PIXELS:
        return "none"
    if -1 - CLOSE <= middle < -CLOSE:
        return "-1..1"
    if CLOSE < middle <= 1 + CLOSE or (abs(middle) <= CLOSE and steep > 1 + CLOSE):
        return "0..1"
    return "anything"


def chosen(found: Scan, info: dict[str, Any], options: Options) -> tuple[str, list[str]]:
    """The normalization to use, and what to say about it.

    Raises FatalError if the network begins with a layer that does not tell, and nobody said.
    """
    layers = found.preprocessing()
    begins = [f"{layer.kind} layer {layer.name!r}" for layer in layers]
    if info["normalizes"]:
        begins.append(f"operator {info['normalizes']!r}")
    expects: Expected = info["expects"] or (_by_configuration(layers[0]) if layers else "")
    asked = options.normalize
    if not begins or not expects or (expects == "anything" and not layers):
        return (asked, []) if asked else ("0..1", [f"no --normalize was given: {ASSUMED}"])
    name = begins[0]
    if expects == "anything":
        if not asked:
            raise FatalError(
                f"{found.path}: begins with {name}, which does not tell what it is fed: write "
                "--normalize none if the network was trained on pixels 0..255, --normalize 0..1 "
                "if on pixels / 255"
            )
        return asked, []
    if asked and asked != expects:
        return asked, [_on_top(name, expects, asked)]
    if expects == "none":
        return "none", [f"the model normalises by itself ({name}): it is fed pixels 0..255"]
    return expects, [] if asked else [_fed(name, expects)]


def _fed(name: str, expects: str) -> str:
    return f"the model begins with {name}, made for {expects}: it is fed pixels scaled to that"


def _on_top(name: str, expects: str, asked: str) -> str:
    if expects == "none":
        return (
            f"the model normalises by itself ({name}), and --normalize {asked} comes on top of it"
        )
    return f"the model begins with {name}, made for {expects}, but --normalize {asked} was given"


def _by_configuration(layer: Layer) -> Expected:
    """For a Rescaling or Normalization that the graph does not show."""
    config = layer.config
    try:
        if layer.kind == "Rescaling":
            scale = np.asarray(config["scale"], np.float64)
            offset = np.asarray(config.get("offset", 0.0), np.float64)
            return expected(offset, scale + offset)
        mean = np.asarray(config["mean"], np.float64)
        spread = np.sqrt(np.asarray(config["variance"], np.float64))
        return expected(-mean / spread, (1 - mean) / spread)
    except (KeyError, TypeError, ValueError):  # adapted: the numbers are among the weights
        return "anything"
