"""What was measured -> the report's facts, JSON, HTML and the few lines on the terminal."""

import html
import json
from collections import Counter
from typing import Any

from converter import measure
from converter.flatbuffer import operator_names, unpack
from converter.measure import Scores, Truth
from edge.model import Contract


def comparison(
    contract: Contract, one: Scores, other: Scores, truth: Truth | None
) -> dict[str, Any]:
    """Float scores against int8 scores on the same pictures."""
    facts: dict[str, Any] = {
        "labels": list(contract.labels),
        "agreement": measure.agreement(one, other),
    }
    if truth is not None:
        facts["accuracy"] = {
            "float": measure.accuracy(one, truth),
            "int8": measure.accuracy(other, truth),
        }
        facts["confusion"] = {
            "float": measure.confusion(one, truth).tolist(),
            "int8": measure.confusion(other, truth).tolist(),
        }
    return facts


def operators(flatbuffer: bytes) -> dict[str, int]:
    """How often each operator occurs."""
    return dict(sorted(Counter(operator_names(unpack(flatbuffer))).items()))


def receipt(facts: dict[str, Any]) -> dict[str, Any]:
    """The part of the facts that travels in the model file: what does not vary with the clock."""
    return {key: facts[key] for key in ("accuracy", "agreement", "data") if key in facts}


def warnings(facts: dict[str, Any]) -> list[str]:
    """What a person must know before using the model, worst first."""
    found = []
    latency, data = facts["latency_ms"], facts["data"]
    if latency["int8"] > latency["float"]:
        found.append(
            f"int8 is slower than float on this machine: {latency['int8']:.2f} ms "
            f"against {latency['float']:.2f} ms"
        )
    if not data["labelled"]:
        found.append("the pictures are not labelled: no accuracy is claimed, only agreement")
    if not data["measured_apart_from_calibration"]:
        found.append("too few pictures: measured on the pictures that also calibrated")
    if data["skipped"]:
        found.append(f"{len(data['skipped'])} files are no readable pictures and were skipped")
    return found


def as_json(facts: dict[str, Any]) -> bytes:
    """The report for programs."""
    return (json.dumps({"schema": "hedgerow.report/1"} | facts, indent=1) + "\n").encode()


def summary(facts: dict[str, Any]) -> list[str]:
    """The report in a few lines."""
    data, latency = facts["data"], facts["latency_ms"]
    apart = "not used for calibration" if data["measured_apart_from_calibration"] else "all"
    lines = [f"{facts['model']}: {facts['bytes'] / 1024:.0f} KiB, {len(facts['labels'])} labels"]
    if "accuracy" in facts:
        one, other = facts["accuracy"]["float"] * 100, facts["accuracy"]["int8"] * 100
        lines.append(
            f"accuracy   float {one:.2f} %, int8 {other:.2f} % ({other - one:+.2f} points)"
        )
    lines += [
        f"agreement  {facts['agreement'] * 100:.2f} % same label as float",
        f"measured   on {data['measured_on']} pictures ({apart}); {data['calibration']} calibrated",
        f"latency    float {latency['float']:.2f} ms, int8 {latency['int8']:.2f} ms "
        "(this machine, 1 thread)",
    ]
    return lines + [f"WARNING    {text}" for text in facts["warnings"]]


def as_html(facts: dict[str, Any]) -> bytes:
    """The report for people, one file that needs no other."""
    rows = "\n".join(f"<li>{html.escape(line)}</li>" for line in summary(facts))
    title = html.escape(facts["model"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1>
<ul>
{rows}
</ul>
</body></html>
""".encode()
