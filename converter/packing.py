"""A .tflite made elsewhere, and what it means -> one file with contract and golden vectors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from converter import data as pictures
from converter import files, ours
from converter.data import Pixels
from converter.heads import Seen, head_of
from converter.measure import Feed
from converter.options import Options, Statistics, statistics
from converter.pack import pack, pack_detector
from converter.preparation import name_for
from converter.trial import try_file
from edge.decode import open_decode
from edge.errors import FatalError
from edge.head import Task
from edge.model import Contract, InputContract, RejectRule, appended
from edge.preprocess import check_range
from edge.runtime.litert import LiteRt
from edge.types import TensorSpec

FIRST_INTEGER = {np.dtype(np.uint8): 0, np.dtype(np.int8): -128}
"""What the pixel value 0 becomes where a quantised model takes pixels as they are."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written."""

    out: Path
    contract: Contract


def pack_file(source: Path, out: Path, task: Task, options: Options) -> Packed:
    """Wrap `source` with a contract made from `options`, and for detectors from its outputs.

    Golden vectors come from the pictures in `options.calibration`, else from noise. Raises
    FatalError where the file does not run or does not fit the labels.
    """
    ours.check_model(out, source, options.calibration)
    if not options.labels:
        raise FatalError("--labels: name the labels in the order of the network's outputs")
    if options.head and task != "detect":
        raise FatalError("--head: describes a detector's outputs: add --task detect")
    flatbuffer, carried = _parts(source)
    try_file(source, str(source))
    network = LiteRt(str(source), flatbuffer, threads=1)
    contract = _contract(network.input, out, options)
    check_range(contract.input, network.input)
    pixels = _pixels(contract, options)
    update: dict[str, object] = {"task": task}
    if task == "detect":
        update["output"] = head_of(_seen(flatbuffer, network, contract, pixels), options.head)
    contract = contract.model_copy(update=update)
    open_decode(contract, network.outputs)
    if task == "detect":
        content = pack_detector(flatbuffer, contract, pixels, carried)
    else:
        content = pack(flatbuffer, contract, pixels)
    files.write_whole(out, content)
    return Packed(out, contract)


def _parts(source: Path) -> tuple[bytes, dict[str, bytes]]:
    """The flatbuffer, and the files in the zip behind it. Raises FatalError."""
    try:
        data = source.read_bytes()
    except OSError as error:
        raise FatalError(f"{source}: cannot be read: {error.strerror}") from None
    if data[4:8] != b"TFL3":
        raise FatalError(f"{source}: is not a TensorFlow Lite model")
    parts = appended(source, data)
    return data[: parts.flatbuffer_bytes], parts.files


def _contract(tensor: TensorSpec, out: Path, options: Options) -> Contract:
    """All but what the outputs mean."""
    height, width = _size(tensor)
    mean, std = _statistics(tensor, options)
    fields = {
        "name": name_for(out, options),
        "input": InputContract(
            height=height,
            width=width,
            color=options.color,
            resize=options.resize,
            crop_fraction=options.crop_fraction,
            pad=options.pad,
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


def _size(tensor: TensorSpec) -> tuple[int, int]:
    match tensor.shape:
        case (1, height, width) | (1, height, width, 1 | 3) | (1, 1 | 3, height, width):
            return height, width
    raise FatalError(f"input tensor {tensor.name!r} has the shape {list(tensor.shape)}")


def _statistics(tensor: TensorSpec, options: Options) -> Statistics:
    """What was asked; else pixels as they are for a quantised input, 0..1 for a float one."""
    if options.normalize or not tensor.scale or tensor.dtype not in FIRST_INTEGER:
        return statistics(options.normalize or "0..1", options.color)
    return (float(tensor.zero_point - FIRST_INTEGER[tensor.dtype]),), (1 / tensor.scale,)


def _seen(flatbuffer: bytes, network: LiteRt, contract: Contract, pixels: Pixels) -> Seen:
    """The outputs for all pixels."""
    feed = Feed(pixels, contract.input)
    rows = [network.infer(tensor) for tensor in feed.tensors(network)]
    values = tuple(
        np.concatenate([np.asarray(spec.dequantize(row[place]), np.float32) for row in rows])
        for place, spec in enumerate(network.outputs)
    )
    size = (contract.input.height, contract.input.width)
    return Seen(flatbuffer, size, len(contract.labels), network.outputs, values)


def _pixels(contract: Contract, options: Options) -> Pixels:
    """Network pixels for the golden vectors."""
    size = (contract.input.height, contract.input.width, contract.input.channels)
    if options.calibration is None:
        noise = np.random.default_rng(0).integers(0, 256, (4, *size))
        return noise.astype(np.uint8)
    few = pictures.Listing((), pictures.every(options.calibration).pictures[:20])
    with files.scratch_folder() as scratch:
        return np.array(pictures.read(few, contract.input, scratch, options.progress).pixels)
