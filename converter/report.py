"""The facts of a conversion -> JSON, warnings, and a few lines for the terminal."""

import json
from typing import Any

from converter import gate as judged
from converter.measure import SMALLEST

LEAST_AGREEMENT = 0.9
"""The share of pictures on which int8 gives float's label: lower, and it is said."""
STEPS = 256
"""Of an int8 probability."""


def receipt(facts: dict[str, Any]) -> dict[str, Any]:
    """The part of the facts that travels in the model file: what does not vary with the clock."""
    kept = ("accuracy", "agreement", "calibration", "chosen", "data", "figures", "gate", "reject")
    found = {key: facts[key] for key in kept if key in facts}
    if "classes" in facts:
        found["recall_change"] = {
            row["label"]: round(row["int8"]["recall"] - row["float"]["recall"], 4)
            for row in facts["classes"]
            if row["pictures"]
        }
    found["bytes"] = {key: facts["bytes"][key] for key in ("float", "int8")}
    return found


def warnings(facts: dict[str, Any]) -> list[str]:
    """What a person must know before using the model, worst first."""
    data = facts["data"]
    found = [_pixels(row) for row in facts["better_normalizations"][:1]]
    found += _agreement(facts)
    found += _speed(facts)
    if not data["labelled"]:
        found.append("the pictures are not labelled: no accuracy is claimed, and none was gated")
    if not data["measured_apart"]:
        found.append("too few pictures: measured on pictures that also calibrated")
    if data["skipped"]:
        names = ", ".join(data["skipped"][:3]) + (", …" if len(data["skipped"]) > 3 else "")
        found.append(f"{len(data['skipped'])} files are no readable pictures: {names}")
    if "accuracy" in facts and data["measured_on"] < 200:
        found.append(
            f"measured on {data['measured_on']} pictures only: one picture is "
            f"{100 / data['measured_on']:.1f} points"
        )
    if facts["float_operators"]:
        kinds = ", ".join(sorted({row["operator"] for row in facts["float_operators"]}))
        layer = facts["float_operators"][0]["layer"].split(";")[0]
        found.append(
            f"computed in float, as int8 has no kernel or loses too much: {kinds} "
            f"(first at {layer}); accelerators may want --full-integer"
        )
    return [*found, *facts["notes"]]


def _pixels(row: dict[str, Any]) -> str:
    return (
        f"THE PIXELS LOOK WRONG: with {row['name']} the float model is right on "
        f"{row['float_accuracy']:.1%} of the pictures, clearly more than as stated"
    )


def _agreement(facts: dict[str, Any]) -> list[str]:
    if facts["agreement"] >= LEAST_AGREEMENT:
        return []
    labels = len(facts["labels"])
    reason = (
        f": {labels} labels share the 256 steps of an int8 probability, and what lies below "
        f"{SMALLEST:.3f} becomes 0"
        if labels > STEPS
        else ""
    )
    return [f"INT8 GIVES ANOTHER LABEL on {1 - facts['agreement']:.0%} of the pictures{reason}"]


def _speed(facts: dict[str, Any]) -> list[str]:
    latency = facts["latency_ms"]
    if latency["int8"] <= latency["float"]:
        return []
    return [
        f"INT8 IS SLOWER THAN FLOAT on this machine: {latency['int8']:.2f} ms against "
        f"{latency['float']:.2f} ms (measure on the device)"
    ]


def as_json(facts: dict[str, Any]) -> bytes:
    """The report for programs."""
    return (json.dumps({"schema": "hedgerow.report/1"} | facts, indent=1) + "\n").encode()


def summary(facts: dict[str, Any]) -> list[str]:
    """The report in a few lines."""
    data, latency, size = facts["data"], facts["latency_ms"], facts["bytes"]
    apart = "used for nothing else" if data["measured_apart"] else "which also calibrated"
    if facts["reject"]["chosen"]:
        apart += " but the reject threshold, cross-fitted"
    lines = [
        f"{facts['model']}: {size['file'] / 1024:.0f} KiB (float {size['float'] / 1024:.0f}), "
        f"{len(facts['labels'])} labels, {facts['chosen']}"
    ]
    if "accuracy" in facts:
        lines += _accuracy(facts)
    lines += [
        f"agreement  {facts['agreement'] * 100:.2f} % same label as float",
        f"measured   on {data['measured_on']} pictures, {apart}; "
        f"{data['calibration']} calibrated, {data['choosing']} chose{_learned(data)}",
        f"latency    float {latency['float']:.2f} ms, int8 {latency['int8']:.2f} ms "
        "(this machine, 1 thread)",
    ]
    if facts["reject"]["chosen"]:
        lines.append(_reject(facts["reject"]))
    return lines + [f"WARNING    {text}" for text in facts["warnings"]]


def _learned(data: dict[str, Any]) -> str:
    row = data["unlabelled"]
    if row is None:
        return ""
    return f"; {row['used']} unlabelled ones to learn from ({row['left_out']} left out: in --data)"


def _accuracy(facts: dict[str, Any]) -> list[str]:
    row = facts["accuracy"]
    one, other = row["float"] * 100, row["int8"] * 100
    low, high = (value * 100 for value in row["change_95"])
    lines = [
        f"accuracy   float {one:.2f} %, int8 {other:.2f} % ({other - one:+.2f} points: "
        f"{row['lost']} pictures lost, {row['gained']} gained; 95 % interval {low:+.1f} to "
        f"{high:+.1f}{', so it may be chance' if low <= 0 <= high and other < one else ''})"
    ]
    gate = facts["gate"]
    lines.append(f"gate       {judged.said(gate)}")
    if gate["hurt"]:
        lines.append(f"hurt most  {gate['hurt']}: recall {-gate['hurt_by']:+.1f} points")
    if "calibration" in facts:
        fit = facts["calibration"]
        lines.append(
            f"confidence off by {fit['int8_ece']:.1%}, {fit['int8_ece_scaled']:.1%} at "
            f"temperature {fit['temperature']:.2f} (expected calibration error)"
        )
    return lines


def _reject(row: dict[str, Any]) -> str:
    return (
        f"reject     below {row['below']:.2f}: turns away {row['negatives_rejected']:.0%} of "
        f"unknown and {row['known_rejected']:.0%} of known pictures (cross-fitted)"
    )
