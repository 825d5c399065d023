"""A Keras file and pictures -> one int8 model file with its report. Reads like the process."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from converter import files, gate, measurement, page, report, views
from converter.bench import Bench
from converter.choice import Candidate, best
from converter.edge_tpu import readiness
from converter.measurement import Pair
from converter.options import Options
from converter.pack import pack
from converter.preparation import Prepared, check, named, prepare
from converter.recovery import Recovered, recovered
from converter.workshop import Workshop
from edge.model import Contract


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written, and what was measured."""

    out: Path
    report: dict[str, Any]
    report_json: Path
    report_html: Path


def convert(model: Path, data: Path, out: Path, options: Options | None = None) -> Conversion:
    """Quantise `model` with the pictures in `data` and write `out` and its reports beside.

    Raises FatalError (exit status 78) with one line that names the file, label or tensor, and
    GateError (3, or 4 with `options.strict`) where the gate fails: then only the reports are there.
    """
    options = options or Options()
    started = time.monotonic()
    found, listing = check(model, data, out, options)
    with files.scratch_folder() as scratch, Workshop(scratch, options.progress) as workshop:
        prepared = prepare(workshop, scratch, found, listing, options)
        split = prepared.split
        bench = Bench(
            workshop,
            scratch,
            prepared.contract,
            split.calibration.pixels,
            views.several(split.choosing.pixels),
            split.unseen,
            options,
            prepared.unlabelled.pixels if prepared.unlabelled else None,
        )
        tried = recovered(bench, prepared)
        chosen = best(tried.candidates)
        pair = Pair(prepared.network, chosen.network, chosen.flatbuffer, options)
        facts = measurement.facts_of(pair, prepared)
        contract = measurement.calibrated(pair, prepared, facts)
        contract, facts["reject"] = measurement.with_reject(pair, prepared, contract, scratch)
        facts["thresholds"] = measurement.thresholds(pair, prepared, contract)
        facts |= prepared.findings
        names = model.name, out.name
        facts["figures"] = measurement.figures(facts, prepared)
        facts |= _context(names, (prepared, options), tried, chosen)
        facts["seconds"] = round(time.monotonic() - started, 1)
        contract = named(contract, out, options)
        return _write(out, chosen.flatbuffer, contract, facts, (prepared, options))


def _context(
    names: tuple[str, str],
    asked: tuple[Prepared, Options],
    tried: Recovered,
    chosen: Candidate,
) -> dict[str, Any]:
    """The facts that are not measured on the held-out pictures."""
    prepared, options = asked
    split, photos = prepared.split, prepared.photos
    return {
        "source": names[0],
        "model": names[1],
        "tried": [candidate.facts() for candidate in tried.candidates],
        "chosen": chosen.name,
        "notes": [*prepared.notes, *tried.notes],
        "io": options.io,
        "edge_tpu": readiness(chosen.flatbuffer),
        "input": prepared.contract.input.model_dump(),
        "data": {
            "labelled": photos.truth is not None,
            "readable": len(photos.paths),
            "skipped": list(photos.skipped),
            "left_out": list(prepared.left_out),
            "calibration": len(split.calibration.paths),
            "choosing": len(split.choosing.paths),
            "measured_on": len(split.held_out.paths),
            "measured_apart": split.apart,
            "unlabelled": prepared.unlabelled.facts() if prepared.unlabelled else None,
        },
    }


def _write(
    out: Path,
    int8: bytes,
    contract: Contract,
    facts: dict[str, Any],
    asked: tuple[Prepared, Options],
) -> Conversion:
    """Reports in any case; the model only through the gate. Raises GateError."""
    prepared, options = asked
    verdict = gate.judge(facts, options.max_drop, options.strict)
    facts["gate"] = asdict(verdict) | {"max_drop": options.max_drop}
    sealed = contract.model_copy(update={"receipt": report.receipt(facts)})
    content = pack(int8, sealed, prepared.split.held_out.pixels)
    facts["bytes"]["file"] = len(content)
    facts["warnings"] = report.warnings(facts)
    result = Conversion(
        out, facts, out.with_suffix(".report.json"), out.with_suffix(".report.html")
    )
    files.write_whole(result.report_json, report.as_json(facts))
    files.write_whole(result.report_html, page.as_html(facts))
    if not verdict.passed:
        files.put_aside(out)
        raise gate.complain(verdict, options.max_drop, result.report_html)
    files.write_whole(out, content)
    return result
