"""A Keras file and pictures -> one int8 model file with its report. Reads like the process."""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converter import data as pictures
from converter import files, measure, ranges, report
from converter.data import Photos
from converter.flatbuffer import operator_names, unpack, with_ranges
from converter.measure import Feed
from converter.options import Options, statistics
from converter.pack import pack
from converter.workshop import Workshop
from edge.errors import FatalError
from edge.model import Contract, InputContract, OutputContract, RejectRule
from edge.runtime.litert import LiteRt


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written, and what was measured."""

    out: Path
    report: dict[str, Any]
    report_json: Path
    report_html: Path


@dataclass(frozen=True, slots=True)
class _Split:
    """The pictures by their use."""

    calibration: Photos
    held_out: Photos
    apart: bool
    """Whether no held-out picture calibrated."""


def convert(model: Path, data: Path, out: Path, options: Options | None = None) -> Conversion:
    """Quantise `model` with the pictures in `data` and write `out` and its reports beside.

    Raises FatalError (exit 78) with one line that names the file, label or tensor.
    """
    options = options or Options()
    started = time.monotonic()
    if not model.exists():
        raise FatalError(f"{model}: there is no such model file")
    files.check_writable(out)
    statistics(options.normalize, options.color)
    listing = pictures.find(data, options.labels)
    with (
        files.scratch_folder() as scratch,
        Workshop(scratch, options.progress) as workshop,
    ):
        float_path = scratch / "float.tflite"
        request = {"model": str(model), "out": str(float_path)}
        info = workshop.ask("load", f"loading {model.name}", request)
        network = float_path.read_bytes()
        contract = _contract(model, out, options, info)
        photos = pictures.read(listing, contract.input, scratch, options.progress)
        contract = _labelled(contract, network, listing.labels or options.labels, options)
        split = _split(photos, options.count)
        feed = Feed(split.calibration.pixels, contract.input)
        found = ranges.observe(network, feed, options.progress)
        int8 = _quantize(workshop, scratch, with_ranges(network, found))
        measured = _measure(network, int8, contract, split, options)
    measured["seconds"] = round(time.monotonic() - started, 1)
    measured["data"] = _data_facts(data, photos, split)
    return _write(out, int8, contract, split, measured)


def _contract(model: Path, out: Path, options: Options, info: dict[str, Any]) -> Contract:
    height, width, channels = info["input_shape"]
    color = options.color
    if (channels == 1) != (color == "grey"):
        raise FatalError(
            f"{model}: its input has {channels} colour channel(s), --color says {color}: "
            f"use --color {'grey' if channels == 1 else 'rgb or bgr'}"
        )
    mean, std = statistics(options.normalize, color)
    network_input = InputContract(
        width=width,
        height=height,
        color=color,
        resize=options.resize,
        crop_fraction=options.crop_fraction,
        mean=mean,
        std=std,
    )
    name = options.name or re.sub(r"[^a-z0-9_-]+", "-", out.stem.lower()).strip("-") or "model"
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        raise FatalError(f"--name: {name!r}: expected only a-z, 0-9, _ and -")
    provenance = {
        "source": model.name,
        "source_sha256": files.sha256_of(model),
        "versions": info["versions"],
    }
    return Contract(name=name, input=network_input, labels=("?",), provenance=provenance)


def _labelled(
    contract: Contract, network: bytes, labels: tuple[str, ...], options: Options
) -> Contract:
    """The contract with labels, output kind and thresholds that fit the network."""
    output = LiteRt("float model", network, threads=1).outputs[0]
    width = int(np.prod(output.shape))
    if not labels:
        raise FatalError(
            f"the pictures lie in no class folders: name the {width} labels with --labels, "
            "in the order of the network's outputs"
        )
    if width != len(labels):
        raise FatalError(
            f"the network has {width} outputs, but there are {len(labels)} labels: "
            f"{', '.join(labels[:6])}{', …' if len(labels) > 6 else ''}"
        )
    strangers = sorted(set(options.thresholds) - set(labels))
    if strangers:
        raise FatalError(f"--thresholds: {strangers[0]!r} is not among the labels")
    ends_in = operator_names(unpack(network))[-1]
    kind = "probabilities" if ends_in in {"SOFTMAX", "LOGISTIC"} else "logits"
    return contract.model_copy(
        update={
            "labels": labels,
            "output": OutputContract(kind=kind),
            "thresholds": dict(options.thresholds),
            "reject": RejectRule(below=options.reject_below),
        }
    )


def _split(photos: Photos, count: int) -> _Split:
    rows, others = pictures.split(photos, count)
    if len(others) < pictures.FEWEST:
        everything = np.arange(len(photos.paths))
        return _Split(photos.take(rows), photos.take(everything), apart=False)
    return _Split(photos.take(rows), photos.take(others), apart=True)


def _quantize(workshop: Workshop, scratch: Path, ranged: bytes) -> bytes:
    source, target = scratch / "ranged.tflite", scratch / "int8.tflite"
    source.write_bytes(ranged)
    workshop.ask("quantize", "quantising", {"ranged": str(source), "out": str(target)})
    return target.read_bytes()


def _measure(
    network: bytes, int8: bytes, contract: Contract, split: _Split, options: Options
) -> dict[str, Any]:
    feed = Feed(split.held_out.pixels, contract.input)
    float_net = LiteRt("float model", network, threads=2)
    int8_net = LiteRt("int8 model", int8, threads=2)
    float_scores = measure.scores(float_net, feed, "measuring float", options.progress)
    int8_scores = measure.scores(int8_net, feed, "measuring int8", options.progress)
    facts = report.comparison(contract, float_scores, int8_scores, split.held_out.truth)
    facts["latency_ms"] = {
        "float": measure.latency_ms(LiteRt("float model", network, threads=1)),
        "int8": measure.latency_ms(LiteRt("int8 model", int8, threads=1)),
    }
    facts["operators"] = report.operators(int8)
    return facts


def _data_facts(data: Path, photos: Photos, split: _Split) -> dict[str, Any]:
    return {
        "path": data.name,
        "labelled": photos.truth is not None,
        "readable": len(photos.paths),
        "skipped": list(photos.skipped),
        "calibration": len(split.calibration.paths),
        "measured_on": len(split.held_out.paths),
        "measured_apart_from_calibration": split.apart,
    }


def _write(
    out: Path, int8: bytes, contract: Contract, split: _Split, facts: dict[str, Any]
) -> Conversion:
    sealed = contract.model_copy(update={"receipt": report.receipt(facts)})
    content = pack(int8, sealed, split.held_out.pixels)
    facts |= {"model": out.name, "bytes": len(content)}
    facts["warnings"] = report.warnings(facts)
    result = Conversion(
        out, facts, out.with_suffix(".report.json"), out.with_suffix(".report.html")
    )
    files.write_whole(result.report_json, report.as_json(facts))
    files.write_whole(result.report_html, report.as_html(facts))
    files.write_whole(out, content)
    return result
