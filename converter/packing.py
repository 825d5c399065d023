"""A .tflite made elsewhere, and what it means -> one file with contract and golden vectors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from converter import data as pictures
from converter import files
from converter.data import Pixels
from converter.options import Options, statistics
from converter.pack import pack
from converter.preparation import name_for
from converter.trial import try_file
from edge.decode import Classify
from edge.errors import FatalError
from edge.model import Contract, InputContract, RejectRule
from edge.runtime.litert import LiteRt
from edge.types import TensorSpec


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written."""

    out: Path
    contract: Contract


def pack_file(source: Path, out: Path, task: str, options: Options) -> Packed:
    """Wrap `source` with a contract made from `options`.

    Golden vectors come from the pictures in `options.calibration`, else from noise. Raises
    FatalError where the file does not run or does not fit the labels.
    """
    files.check_writable(out)
    if not options.labels:
        raise FatalError("--labels: name the labels in the order of the network's outputs")
    try:
        flatbuffer = source.read_bytes()
    except OSError as error:
        raise FatalError(f"{source}: cannot be read: {error.strerror}") from None
    if flatbuffer[4:8] != b"TFL3":
        raise FatalError(f"{source}: is not a TensorFlow Lite model")
    try_file(source, str(source))
    network = LiteRt(str(source), flatbuffer, threads=1)
    contract = _contract(network.input, out, task, options)
    if task == "classify":
        Classify(contract, network.output)
    content = pack(flatbuffer, contract, _pixels(contract, options))
    files.write_whole(out, content)
    return Packed(out, contract)


def _contract(tensor: TensorSpec, out: Path, task: str, options: Options) -> Contract:
    """The one place to extend when `edge.model.Contract` learns another task's output."""
    if len(tensor.shape) not in {3, 4}:
        raise FatalError(f"input tensor {tensor.name!r} has the shape {list(tensor.shape)}")
    mean, std = statistics(options.normalize or "0..1", options.color)
    fields = {
        "name": name_for(out, options),
        "task": task,
        "input": InputContract(
            height=tensor.shape[1],
            width=tensor.shape[2],
            color=options.color,
            resize=options.resize,
            crop_fraction=options.crop_fraction,
            mean=mean,
            std=std,
        ),
        "labels": options.labels,
        "thresholds": dict(options.thresholds),
        "reject": RejectRule(below=options.reject_below),
    }
    try:
        return Contract.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise FatalError(f"--{key}: {first['msg']}") from None


def _pixels(contract: Contract, options: Options) -> Pixels:
    """Network pixels for the golden vectors."""
    size = (contract.input.height, contract.input.width, contract.input.channels)
    if options.calibration is None:
        noise = np.random.default_rng(0).integers(0, 256, (4, *size))
        return noise.astype(np.uint8)
    listing = pictures.find(options.calibration, (), strict=False)
    few = pictures.Listing((), tuple(pictures.Picture(p.path) for p in listing.pictures[:20]))
    with files.scratch_folder() as scratch:
        return np.array(pictures.read(few, contract.input, scratch, options.progress).pixels)
