"""The chosen int8 network and the float one -> every fact of the receipt."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter import crossfit, measure, quality
from converter import data as pictures
from converter.data import Photos
from converter.flatbuffer import float_operators, operator_names, unpack
from converter.layer_error import layer_errors
from converter.measure import Feed, Scores
from converter.options import Options
from converter.preparation import Prepared
from edge.decode import probabilities
from edge.model import Contract, RejectRule
from edge.runtime.litert import LiteRt


@dataclass(frozen=True, slots=True)
class Pair:
    """Both networks of one model."""

    network: bytes
    """float32 flatbuffer."""
    source: bytes
    """The float flatbuffer that int8 was made from: the same, or its channels rescaled."""
    int8: bytes
    options: Options

    def scores(self, contract: Contract, photos: Photos) -> tuple[Scores, Scores]:
        """Float and int8 scores of the same pictures."""
        feed, shown = Feed(photos.pixels, contract.input), self.options.progress
        one = LiteRt("float model", self.network, threads=2)
        other = LiteRt("int8 model", self.int8, threads=2)
        return (
            measure.scores(one, feed, "measuring float", shown),
            measure.scores(other, feed, "measuring int8", shown),
        )


def facts_of(pair: Pair, prepared: Prepared) -> dict[str, Any]:
    """Accuracy, agreement, calibration, latency, layers: what the held-out pictures show."""
    contract, held_out = prepared.contract, prepared.split.held_out
    one, other = pair.scores(contract, held_out)
    facts: dict[str, Any] = {
        "labels": list(contract.labels),
        "agreement": measure.agreement(one, other),
        "score_error": float(np.sqrt(np.square(one - other).sum() / np.square(one).sum())),
        "divergence": float(measure.divergences(contract, one, other).mean()),
    }
    if held_out.truth is not None:
        change = quality.paired_change(one, other, held_out.truth)
        facts["accuracy"] = {
            "float": measure.accuracy(one, held_out.truth),
            "int8": measure.accuracy(other, held_out.truth),
            "lost": change.lost,
            "gained": change.gained,
            "standard_error": change.standard_error,
            "change_95": list(change.interval_95),
        }
        facts["classes"] = quality.by_class(contract.labels, one, other, held_out.truth)
        facts["confusion"] = {
            "float": measure.confusion(one, held_out.truth).tolist(),
            "int8": measure.confusion(other, held_out.truth).tolist(),
        }
    both = (
        LiteRt("float model", pair.network, threads=1),
        LiteRt("int8 model", pair.int8, threads=1),
    )
    facts["latency_ms"] = dict(zip(("float", "int8"), measure.latencies_ms(both), strict=True))
    facts["bytes"] = {"float": len(pair.network), "int8": len(pair.int8)}
    facts["operators"] = dict(sorted(Counter(operator_names(unpack(pair.int8))).items()))
    facts["float_operators"] = float_operators(pair.int8)
    feed = Feed(prepared.split.choosing.pixels, contract.input)
    facts["layers"] = layer_errors(pair.source, pair.int8, feed)
    return facts


def calibrated(pair: Pair, prepared: Prepared, facts: dict[str, Any]) -> Contract:
    """The contract with the temperature that the choosing pictures ask for, where it helps.

    Those alone fit it and decide on it, cross-fitted; the held-out pictures only show what it does.
    """
    contract, held_out = prepared.contract, prepared.split.held_out
    fitting = prepared.split.choosing
    if held_out.truth is None or fitting.truth is None or prepared.sigmoid:
        return contract
    _, scores = pair.scores(contract, fitting)
    value = quality.temperature(contract, scores, fitting.truth)
    used = value != 1.0 and crossfit.temperature_helps(contract, scores, fitting.truth)
    warm = contract.model_copy(update={"temperature": value})
    one, other = pair.scores(contract, held_out)
    before = quality.ece(probabilities(contract, other), held_out.truth)
    after = quality.ece(probabilities(warm, other), held_out.truth)
    facts["calibration"] = {
        "float_ece": quality.ece(probabilities(contract, one), held_out.truth),
        "int8_ece": before,
        "int8_ece_scaled": after if used else before,
        "temperature": value if used else 1.0,
        "temperature_fitted": value,
        "fitted_on": len(fitting.truth),
    }
    return warm if used else contract


def with_reject(
    pair: Pair, prepared: Prepared, contract: Contract, scratch: Path
) -> tuple[Contract, dict[str, Any]]:
    """The reject threshold chosen on the negatives and the known pictures; what it does to them is
    cross-fitted.

    Raises FatalError where the negatives cannot be read.
    """
    if pair.options.negatives is None:
        return contract, {"below": contract.reject.below, "chosen": False}
    unlabelled = pictures.every(pair.options.negatives)
    folder = scratch / "negatives"
    folder.mkdir()
    negatives = pictures.read(unlabelled, contract.input, folder, pair.options.progress)
    known = _confidence(pair, contract, prepared.split.held_out)
    unknown = _confidence(pair, contract, negatives)
    below = quality.reject_threshold(known, unknown)
    known_rejected, negatives_rejected = crossfit.rejected(known, unknown)
    facts = {
        "below": below,
        "chosen": True,
        "known": len(known),
        "negatives": len(unknown),
        "negatives_rejected": negatives_rejected,
        "known_rejected": known_rejected,
    }
    return contract.model_copy(update={"reject": RejectRule(below=below)}), facts


def thresholds(pair: Pair, prepared: Prepared, contract: Contract) -> list[dict[str, Any]]:
    """Every label's threshold, with precision and recall of the int8 network at it."""
    if not contract.thresholds:
        return []
    held_out = prepared.split.held_out
    _, scores = pair.scores(contract, held_out)
    return quality.at_thresholds(contract, probabilities(contract, scores), held_out.truth)


def figures(facts: dict[str, Any], prepared: Prepared) -> list[dict[str, str]]:
    """Which pictures each figure is from, and what else they were used for."""
    split = prepared.split
    held, chose = len(split.held_out.paths), len(split.choosing.paths)
    apart = "that nothing else used" if split.apart else "some of which calibrated and chose too"
    if facts["reject"]["chosen"]:
        apart += " but the reject threshold" if split.apart else ""
    found = {
        "accuracy, agreement, confusion, the gate": f"{held} measuring pictures {apart}",
        "what was tried": f"views of {chose} choosing pictures, "
        f"{len(split.calibration.paths)} of which calibrated",
    }
    if "calibration" in facts:
        found["temperature"] = f"fitted and accepted on the {chose} choosing pictures, cross-fitted"
        found["calibration error"] = f"{held} measuring pictures {apart}"
    if facts["reject"]["chosen"]:
        row = facts["reject"]
        found["reject threshold"] = (
            f"{row['known']} measuring pictures and {row['negatives']} negatives; its shares are "
            f"cross-fitted: each of {crossfit.FOLDS} parts by the threshold of the others"
        )
    return [{"figure": figure, "from": source} for figure, source in found.items()]


def _confidence(pair: Pair, contract: Contract, photos: Photos) -> Scores:
    """(n,) the int8 network's highest probability."""
    _, scores = pair.scores(contract, photos)
    return np.asarray(probabilities(contract, scores).max(axis=1), np.float32)
