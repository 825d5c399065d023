"""A model file, pictures and options -> the float network, its contract and split pictures."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import data as pictures
from converter import files, normalization, ours, outputs, unlabelled
from converter.data import Photos, Rows
from converter.listing import Listing, described
from converter.loading import Loading
from converter.options import Options, statistics
from converter.probe import findings, one_answer, probe
from converter.scan import Scan, refuse_code, refuse_out_of_scope, scan
from converter.unlabelled import Unlabelled
from converter.workshop import Workshop
from edge.errors import FatalError
from edge.head import OutputContract
from edge.model import Contract, InputContract, RejectRule
from edge.runtime.litert import LiteRt
from edge.text import composed

KEPT_FROM_CALIBRATION = 1 / 3
"""Of the pictures that are not for measuring; 16 to 32 suffice to calibrate. All of them choose:
the ones kept back alone were too few to tell candidates apart."""

ENOUGH_TO_CHOOSE = 30


@dataclass(frozen=True, slots=True)
class Split:
    """The pictures by their use."""

    calibration: Photos
    choosing: Photos
    held_out: Photos
    apart: bool
    """Whether every held-out picture is used for measuring alone."""

    @property
    def unseen(self) -> npt.NDArray[np.bool_]:
        """(n,) which of the choosing pictures do not calibrate."""
        calibrating = set(self.calibration.paths)
        return np.array([path not in calibrating for path in self.choosing.paths], np.bool_)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that quantisation starts from."""

    network: bytes
    """The float32 flatbuffer."""
    contract: Contract
    photos: Photos
    split: Split
    unlabelled: Unlabelled | None
    sigmoid: bool
    """Whether the outputs are independent of each other."""
    notes: tuple[str, ...]
    """What was assumed or looks wrong, a sentence each."""
    findings: dict[str, Any]
    """Labels or pixels that fit clearly better than the stated ones."""
    left_out: tuple[str, ...]
    """Files of the data that are not among its pictures, counted and named by reason."""


def check(model: Path, data: Path, out: Path, options: Options) -> tuple[Scan, Listing]:
    """What can be refused before TensorFlow is started. Raises FatalError."""
    found = scan(model)
    refuse_out_of_scope(found)
    if not options.trusted:
        refuse_code(found, options.custom_objects)
    outputs.refuse_quantized(found)
    ours.check_conversion(out, model, data, options.calibration, options.unlabelled)
    statistics(options.normalize or "none", options.color)
    unlabelled.check(options.unlabelled, options.effort)
    name_for(out, options)
    return found, pictures.find(data, options.labels)


def prepare(
    workshop: Workshop,
    scratch: Path,
    found: Scan,
    listing: Listing,
    options: Options,
) -> Prepared:
    """Load the network and read the pictures. Raises FatalError."""
    float_path = scratch / "float.tflite"
    loading = Loading(
        found.path, options.trusted, options.custom_objects, options.input_size, options.output
    )
    request = loading.request() | {"out": str(float_path)}
    info = workshop.ask("load", f"loading {found.path.name}", request)
    network = float_path.read_bytes()
    outputs.refuse_one_unit(found.path, info)
    normalize, notes = normalization.chosen(found, info, options)
    contract = _contract(found, info, normalize, options)
    contract = _labelled(contract, network, listing, options)
    photos = pictures.read(listing.measuring, contract.input, scratch, options.progress)
    parts = _split(photos, _apart(listing, contract, scratch, options), options)
    one = probe(network, contract, parts.held_out, options.progress)
    kind, sigmoid, told = outputs.meaning(found.path, info, one.scores)
    contract = contract.model_copy(update={"output": OutputContract(kind=kind)})
    notes += [*one_answer(one), *told, *listing.notes, *_notes(contract, photos, info)]
    return Prepared(
        network,
        contract,
        photos,
        parts,
        _more(parts, contract, scratch, options),
        sigmoid,
        tuple(notes),
        findings(one),
        tuple(described(listing.left_out)),
    )


def _notes(contract: Contract, photos: Photos, info: dict[str, Any]) -> list[str]:
    """What the pictures and the system are like."""
    notes = _empty_classes(contract, photos)
    notes += photos.notes()
    if not info["isolated"]:
        notes.append("this system permits no network namespace: the model was read with a network")
    return notes


def _more(parts: Split, contract: Contract, scratch: Path, options: Options) -> Unlabelled | None:
    """What `--unlabelled` gives to learn from."""
    if options.unlabelled is None:
        return None
    known = (parts.choosing, parts.held_out)
    return unlabelled.read(options.unlabelled, contract.input, known, scratch, options.progress)


def _contract(found: Scan, info: dict[str, Any], normalize: str, options: Options) -> Contract:
    _, height, width, *rest = info["shape"]
    channels = rest[0] if rest else 1
    if (channels == 1) != (options.color == "grey"):
        raise FatalError(
            f"{found.path}: its input has {channels} colour channel(s), --color says "
            f"{options.color}: use --color {'grey' if channels == 1 else 'rgb or bgr'}"
        )
    mean, std = statistics(normalize, options.color)
    network_input = InputContract(
        width=width,
        height=height,
        color=options.color,
        resize=options.resize,
        crop_fraction=options.crop_fraction,
        pad=options.pad,
        mean=mean,
        std=std,
    )
    provenance = {
        "source": found.path.name,
        "source_sha256": files.sha256_of(found.path),
        "versions": info["versions"],
        "binary_output_made_two": info["binary"],
    }
    return Contract(
        name="model",
        input=network_input,
        output=OutputContract(kind=info["kind"]),
        labels=("?",),
        provenance=provenance,
    )


def name_for(out: Path, options: Options) -> str:
    """The name asked for, or one made from the output file's. Raises FatalError."""
    made = re.sub(r"[^a-z0-9_-]+", "-", out.stem.lower()).strip("-")
    name = options.name or made or "model"
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        raise FatalError(f"--name: {name!r}: expected only a-z, 0-9, _ and -")
    return name


def named(contract: Contract, out: Path, options: Options) -> Contract:
    """The contract under the name asked for, or the output file's."""
    return contract.model_copy(update={"name": name_for(out, options)})


def _labelled(contract: Contract, network: bytes, listing: Listing, options: Options) -> Contract:
    """The contract with labels and thresholds that fit the network."""
    width = int(np.prod(LiteRt("float model", network, threads=1).output.shape))
    labels = tuple(map(composed, options.labels)) or listing.labels
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
    update = {
        "labels": labels,
        "thresholds": dict(options.thresholds),
        "reject": RejectRule(below=options.reject_below),
    }
    return contract.model_copy(update=update)


def _empty_classes(contract: Contract, photos: Photos) -> list[str]:
    if photos.truth is None:
        return []
    present = set(photos.truth.tolist())
    missing = [label for index, label in enumerate(contract.labels) if index not in present]
    if not missing:
        return []
    names = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
    return [f"{len(missing)} of {len(contract.labels)} labels have no picture: {names}"]


def _apart(listing: Listing, contract: Contract, scratch: Path, options: Options) -> Photos | None:
    """The pictures that calibrate and choose alone: those of --calibration, or of the parts of a
    split that do not measure."""
    if options.calibration is not None:
        apart = pictures.find(options.calibration, contract.labels, strict=False)
    elif len(listing.parts) > 1:
        apart = pictures.some(listing.of(*listing.parts[:-1]), max(100, 2 * options.count))
    else:
        return None
    folder = scratch / "calibration"
    folder.mkdir()
    try:
        return pictures.read(apart, contract.input, folder, options.progress)
    except FatalError as error:
        raise FatalError(str(error).replace("--data", "--calibration", 1)) from None


def _split(photos: Photos, apart: Photos | None, options: Options) -> Split:
    """With pictures of their own for calibration, all of the data measures."""
    if apart is None:
        return split(photos, *pictures.split(photos, options.count))
    both = set(map(Path.resolve, apart.paths)) & set(map(Path.resolve, photos.paths))
    if both:
        raise FatalError(f"--calibration: {min(both)} is also in --data, which measures")
    parts = split(apart, *pictures.split(apart, options.count, share=1.0))
    others = pictures.new(photos, np.arange(len(photos.paths)), parts.choosing.pixels)
    held_out = photos if len(others) == len(photos.paths) else photos.take(others)
    if not held_out.paths:
        raise FatalError("--calibration: all pictures of --data are copies of these: give others")
    return replace(parts, held_out=held_out, apart=True)


def split(photos: Photos, rows: Rows, others: Rows) -> Split:
    """Calibrate on two thirds of `rows`, choose on all of them, measure on the others but for
    copies of these."""
    calibration = choosing = rows
    if len(rows) >= ENOUGH_TO_CHOOSE:
        calibration = np.setdiff1d(rows, rows[:: round(1 / KEPT_FROM_CALIBRATION)])
    others = pictures.new(photos, others, photos.pixels[rows])
    apart = len(others) >= pictures.FEWEST
    measured = others if apart else np.arange(len(photos.paths))
    return Split(photos.take(calibration), photos.take(choosing), photos.take(measured), apart)
