"""The facts of a conversion -> JSON, warnings, and a few lines for the terminal."""

import json
from typing import Any

from converter import gate as judged
from converter.normalization import ASSUMED
from converter.probe import order_text

DIFFERENT = 0.85
"""Share of equal labels below which int8 is another model, whatever its accuracy is."""


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
    """What a person must know before using the model, the likeliest cause of trouble first."""
    data = facts["data"]
    assumed = [note for note in facts["notes"] if note.endswith(ASSUMED)]
    found = [*causes(facts), *assumed, *_agreement(facts), *_size(facts), *_speed(facts)]
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
    return [*found, *(note for note in facts["notes"] if note not in assumed)]


def causes(facts: dict[str, Any]) -> list[str]:
    """Labels or pixels that fit clearly better than those as stated."""
    found = []
    if labels := facts["better_labels"]:
        found.append(
            f"THE LABELS LOOK WRONG: the float model is right on {labels['stated']:.1%} of the "
            f"pictures; {order_text(labels, tuple(facts['labels']))}"
        )
    for row in facts["better_normalizations"][:1]:
        found.append(
            f"THE PIXELS LOOK WRONG: with {row['name']} the float model is right on "
            f"{row['float_accuracy']:.1%} of the pictures, clearly more than as stated"
        )
    return found


def _agreement(facts: dict[str, Any]) -> list[str]:
    """What accuracy does not show, above all of unlabelled pictures."""
    if facts["agreement"] >= DIFFERENT:
        return []
    return [
        f"INT8 ANSWERS DIFFERENTLY: only {facts['agreement']:.0%} of the pictures get the float "
        "model's label: try more --effort or more pictures"
    ]


def _size(facts: dict[str, Any]) -> list[str]:
    """Why a file is larger than the float network, if it is."""
    size = facts["bytes"]
    if size["file"] <= size["float"]:
        return []
    if size["int8"] > size["float"]:
        why = "int8 needs scales for every channel, which weigh more than its weights save"
    else:
        why = (
            f"{(size['file'] - size['int8']) / 1024:.0f} KiB are labels, contract and test vectors"
        )
    return [f"the file is larger than the float network, because that is so small: {why}"]


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
    lines = [f"WARNING    {text}" for text in causes(facts)]
    lines += [
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
    lines += [f"threshold  {threshold_text(row)}" for row in facts.get("thresholds", ())]
    lines += [f"left out   {text}" for text in data["left_out"]]
    said = set(causes(facts))
    return lines + [f"WARNING    {text}" for text in facts["warnings"] if text not in said]


def threshold_text(row: dict[str, Any]) -> str:
    """One label's threshold and what it does."""
    text = f"{row['label']} from {row['threshold']:.2f}"
    if "precision" not in row:
        return text
    return f"{text}: precision {row['precision']:.3f}, recall {row['recall']:.3f}"


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
