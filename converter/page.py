"""The facts of a conversion -> one HTML page with plots that needs no other file."""

import html
from typing import Any

from converter import gate as judged
from converter.plots import bars, heat_map, pairs
from converter.report import summary

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#222;background:#fff}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.15rem .6rem;text-align:right}
td:first-child,th:first-child{text-align:left}tr:nth-child(even){background:#f4f4f0}
.warning{background:#fff3cd;border-left:4px solid #c80;padding:.3rem .8rem;margin:.3rem 0}
.failed{background:#fbdcdc;border-left:4px solid #b00;padding:.3rem .8rem;margin:.3rem 0}
svg{max-width:100%;height:auto}figure{margin:1rem 0}pre{white-space:pre-wrap}
"""

MOST_CLASSES = 40
MOST_LAYERS = 15


def as_html(facts: dict[str, Any]) -> bytes:
    """The report for people."""
    title = html.escape(f"{facts['model']}: int8 against float")
    parts = [_verdict(facts), _summary(facts), _tried(facts)]
    if "accuracy" in facts:
        parts += [_classes(facts), _confusion(facts)]
    parts += [_layers(facts), _edge_tpu(facts), _details(facts)]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    ).encode()


def _verdict(facts: dict[str, Any]) -> str:
    gate = facts["gate"]
    said = html.escape(judged.said(gate))
    if gate["passed"]:
        loud = ' class="warning"' if gate["outcome"] == "not proven" else ""
        return f"<p{loud}>What int8 costs: {said}.</p>"
    lost = f"int8 loses {gate['drop']:.2f} points, {gate['max_drop']:g} are allowed; "
    return f'<p class="failed">{lost if gate["gated"] else ""}{said}: no model was written.</p>'


def _summary(facts: dict[str, Any]) -> str:
    lines = [line for line in summary(facts) if not line.startswith("WARNING ")]
    loud = "".join(f'<p class="warning">{html.escape(text)}</p>' for text in facts["warnings"])
    return f"<pre>{html.escape(chr(10).join(lines))}</pre>\n{loud}"


def _tried(facts: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(row['name'])}{' (kept)' if row['name'] == facts['chosen'] else ''}"
        f"</td><td>{row['divergence']:.5f}</td><td>{row['agreement']:.2%}</td>"
        f"<td>{row['seconds']:.1f}</td></tr>"
        for row in facts["tried"]
    )
    return (
        "<h2>What was tried</h2><p>Compared on views of pictures that do not measure. The simplest "
        "within one standard error of the smallest divergence from float is kept; weights fitted "
        "to pictures, and ends in float, have to be two closer.</p><table><tr><th>way</th>"
        f"<th>divergence, nats</th><th>agreement</th><th>seconds</th></tr>{rows}</table>"
    )


def _classes(facts: dict[str, Any]) -> str:
    classes = sorted(facts["classes"], key=lambda r: r["int8"]["recall"] - r["float"]["recall"])
    classes = [row for row in classes if row["pictures"]][:MOST_CLASSES]
    rows = "".join(
        f"<tr><td>{html.escape(row['label'])}</td><td>{row['pictures']}</td>"
        + "".join(
            f"<td>{row[kind][figure]:.3f}</td>"
            for figure in ("precision", "recall", "f1")
            for kind in ("float", "int8")
        )
        + "</tr>"
        for row in classes
    )
    plot = pairs([(r["label"], r["float"]["recall"], r["int8"]["recall"]) for r in classes[:20]])
    return (
        "<h2>By class</h2><p>The most hurt first.</p>"
        f"<figure>{plot}</figure><table><tr><th>label</th><th>pictures</th><th>precision float</th>"
        "<th>int8</th><th>recall float</th><th>int8</th><th>F1 float</th><th>int8</th></tr>"
        f"{rows}</table>"
    )


def _confusion(facts: dict[str, Any]) -> str:
    labels = facts["labels"]
    if len(labels) > MOST_CLASSES:
        return ""
    plots = "".join(
        f"<figure><figcaption>{kind}: rows are true, columns answered</figcaption>"
        f"{heat_map(labels, facts['confusion'][kind])}</figure>"
        for kind in ("float", "int8")
    )
    return f"<h2>Confusion</h2>{plots}"


def _layers(facts: dict[str, Any]) -> str:
    worst = facts["layers"][:MOST_LAYERS]
    rows = [(f"{_layer(row['name'])} ({row['operator']})", row["error"]) for row in worst]
    return (
        "<h2>Worst layers</h2><p>Root mean square error over root mean square value of a layer's "
        f"output, int8 against float.</p><figure>{bars(rows)}</figure>"
    )


def _layer(tensor: str) -> str:
    """TensorFlow's `model/layer/batchnorm/sub1` or `model/layer/Relu6` -> `layer`."""
    path, normalised, _ = tensor.partition("/batchnorm")
    parts = path.split("/")
    return parts[-1] if normalised or len(parts) == 1 else parts[-2]


def _edge_tpu(facts: dict[str, Any]) -> str:
    row = facts.get("edge_tpu")
    if row is None:
        return ""
    items = "".join(f"<li>{html.escape(text)}</li>" for text in row["reasons"])
    return f"<h2>Edge TPU</h2><p>{html.escape(row['verdict'])}</p><ul>{items}</ul>"


def _details(facts: dict[str, Any]) -> str:
    ops = ", ".join(f"{name} {count}" for name, count in facts["operators"].items())
    rows = "".join(
        f"<tr><td>{html.escape(row['figure'])}</td><td>{html.escape(row['from'])}</td></tr>"
        for row in facts["figures"]
    )
    return (
        f"<h2>Which pictures each figure is from</h2><table>{rows}</table>"
        f"<h2>Details</h2><p>Operators: {html.escape(ops)}</p>"
        f"<p>Input: {html.escape(str(facts['input']))}</p><p>{facts['seconds']} s in all.</p>"
    )
