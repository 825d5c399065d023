"""A model file -> what it says of itself, read without running or importing any of it.

An untrusted file is looked through before Keras sees it: Lambda layers (Python bytecode),
HDF5 links that leave the file, graph operators that touch the disk.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge.errors import FatalError

Kind = Literal["keras", "h5", "savedmodel"]

LARGEST_DATASET_BYTES = 2**32
"""No CNN has a tensor of this size; a file that declares one wants to exhaust the memory."""

LARGEST_CONFIG_BYTES = 2**26

RECURRENT = {"RNN", "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
RECURRENT |= {"Bidirectional", "CuDNNLSTM", "CuDNNGRU", "LSTMCell", "GRUCell", "StackedRNNCells"}
ATTENTION = {"Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"}
ATTENTION |= {"GroupedQueryAttention"}
TEXT = {"Embedding", "TextVectorization", "StringLookup"}
PREPROCESSING = {"Rescaling", "Normalization"}
WEIGHTY = {"Conv2D", "Convolution2D", "DepthwiseConv2D", "SeparableConv2D", "Dense", "Conv1D"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the configuration, nested ones included."""

    kind: str
    name: str
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a model file says of itself."""

    path: Path
    kind: Kind
    keras_version: str
    """Empty where it does not say."""
    config: dict[str, Any]
    """Empty for a SavedModel."""

    def layers(self) -> Iterator[Layer]:
        """All layers in the order of the configuration, those of nested models included."""
        yield from _layers(self.config)

    def preprocessing(self) -> tuple[Layer, ...]:
        """Rescaling and Normalization layers in front of the first layer with weights."""
        found: list[Layer] = []
        for layer in self.layers():
            if layer.kind in WEIGHTY:
                break
            if layer.kind in PREPROCESSING:
                found.append(layer)
        return tuple(found)


def scan(path: Path) -> Scan:
    """Read a .keras, .h5 or .hdf5 file or a SavedModel folder. Raises FatalError."""
    if not path.exists():
        raise FatalError(f"{path}: there is no such model file")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise FatalError(f"{path}: is a folder without saved_model.pb, so not a SavedModel")
        return Scan(path, "savedmodel", "", {})
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return _scan_zip(path)
    if start == b"\x89HDF\r\n\x1a\n":
        return _scan_hdf5(path)
    advice = (
        "convert the Keras model it came from"
        if start[4:8] == b"TFL3"
        else ("save the model with model.save('model.keras')")
    )
    raise FatalError(f"{path}: is no .keras or .h5 file and no SavedModel folder: {advice}")


def refuse_code(found: Scan) -> None:
    """Raises FatalError naming the first layer whose Python code would run on loading."""
    for layer in found.layers():
        # Keras 2 stores plain TensorFlow calls as TFOpLambda, by name and without bytecode.
        if layer.kind == "Lambda":
            raise FatalError(
                f"{found.path}: layer {layer.name!r} is a Lambda: its Python code would run "
                "here; replace it by a Keras layer, or say --trust-model-code if you trust "
                "whoever made the file"
            )


def refuse_out_of_scope(found: Scan) -> None:
    """Raises FatalError naming a recurrent, attention or text layer."""
    for layer in found.layers():
        for kinds, what in (
            (RECURRENT, "a recurrent network"),
            (ATTENTION, "a transformer"),
            (TEXT, "a text network"),
        ):
            if layer.kind in kinds:
                raise FatalError(
                    f"{found.path}: layer {layer.name!r} is {layer.kind}: {what} is outside "
                    "the scope, which is CNNs that classify pictures"
                )


def _layers(node: Any) -> Iterator[Layer]:
    if isinstance(node, list):
        for item in node:
            yield from _layers(item)
    elif isinstance(node, dict):
        config = node.get("config")
        if isinstance(node.get("class_name"), str) and isinstance(config, dict):
            name = config.get("name") or node.get("name") or ""
            kind = node["class_name"].rpartition(">")[2]
            if name and not kind.endswith("Policy"):  # initializers and the like have no name
                yield Layer(kind, str(name), config)
        for value in node.values():
            yield from _layers(value)


def _scan_zip(path: Path) -> Scan:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith((".pkl", ".pickle")):
                    raise FatalError(
                        f"{path}: holds {info.filename}, a pickle, which can run code: "
                        "save the model again with Keras 3"
                    )
                if info.filename.endswith(".json") and info.file_size > LARGEST_CONFIG_BYTES:
                    raise FatalError(f"{path}: {info.filename} is larger than 64 MiB")
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
    except KeyError as error:
        raise FatalError(f"{path}: is no .keras file: {error.args[0]}") from None
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise FatalError(f"{path}: is damaged: {error}") from None
    return Scan(path, "keras", str(metadata.get("keras_version", "")), config)


def _scan_hdf5(path: Path) -> Scan:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _check_group(path, file)
            text = file.attrs.get("model_config")
            version = file.attrs.get("keras_version", "")
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise FatalError(f"{path}: is damaged: {' '.join(str(error).split())}") from None
    if text is None:
        raise FatalError(
            f"{path}: holds weights but no network (no model_config): save the whole model "
            "with model.save, not with save_weights"
        )
    try:
        config = json.loads(text)
    except ValueError as error:
        raise FatalError(f"{path}: model_config: is no JSON: {error}") from None
    return Scan(path, "h5", _text(version), config)


def _check_group(path: Path, group: Any) -> None:
    import h5py

    for key in group:
        link = group.get(key, getlink=True)
        where = f"{group.name.rstrip('/')}/{key}"
        if isinstance(link, h5py.ExternalLink):
            raise FatalError(f"{path}: {where} is a link into another file, {link.filename}")
        if isinstance(link, h5py.SoftLink):
            continue
        item = group[key]
        if isinstance(item, h5py.Group):
            _check_group(path, item)
        elif item.external or item.is_virtual:
            raise FatalError(f"{path}: {where} keeps its numbers in another file")
        elif item.dtype.kind == "O" or item.nbytes > LARGEST_DATASET_BYTES:
            raise FatalError(f"{path}: {where} is no tensor of a CNN ({item.dtype}, {item.shape})")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
