"""A model file -> what it says of itself, read without running or importing any of it.

An untrusted file is looked through before Keras sees it: what could run code (converter.carried),
HDF5 links that leave the file, pickles, entries of a zip that leave their folder.
"""

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Literal

from converter import carried, containers
from edge.errors import FatalError
from edge.text import shown

Kind = Literal["keras", "h5", "savedmodel"]

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
    """Empty for a SavedModel, and for weights alone."""
    compiled: Any = field(default_factory=dict)
    """How it was compiled for training, which no loader here opens."""

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
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise FatalError(f"{path}: is a folder without saved_model.pb, so not a SavedModel")
        return Scan(path, "savedmodel", "", {})
    found = scan_file(path)
    if not found.config:
        raise FatalError(
            f"{path}: holds weights but no network (no model_config): save the whole model "
            "with model.save, not with save_weights"
        )
    return found


def scan_file(path: Path) -> Scan:
    """Read a .keras, .h5 or .hdf5 file, of a network or of weights alone. Raises FatalError."""
    held = containers.read(path)
    config = held.config
    compiled = [held.training]
    if held.kind == "keras":  # Keras sets it to nothing before it opens the rest
        compiled.append(config.get("compile_config"))
        config = {key: value for key, value in config.items() if key != "compile_config"}
    return Scan(path, held.kind, held.keras_version, config, compiled)


def refuse_code(found: Scan, custom_objects: Collection[str] = ()) -> None:
    """Raises FatalError naming the first thing in the file whose code would run on loading.

    `custom_objects` are the `module:name` of code that the user named.
    """
    for reference in custom_objects:
        _check_reference(reference)
    known = {reference.rpartition(":")[2] for reference in custom_objects}
    code = carried.code_in(found.config, known) or carried.bytecode_in(found.compiled)
    if code is None:
        return
    what = shown(f"layer {code.layer!r} is {code.what}" if code.layer else f"holds {code.what}")
    if code.custom:
        raise FatalError(
            f"{found.path}: {what}, which is not Keras' own: name its code with "
            f"--custom-objects module:{shown(code.custom, 60)}"
        )
    raise FatalError(
        f"{found.path}: {what}: its Python code would run here; replace it by a Keras layer, or "
        "use --trust-model-code if you trust whoever made the file"
    )


def _check_reference(reference: str) -> None:
    """Raises FatalError where the module is nowhere; nothing is imported for that."""
    module, _, name = reference.partition(":")
    root, places = module.partition(".")[0], [str(Path.cwd()), *sys.path]
    if not root or not name or PathFinder.find_spec(root, places) is None:
        raise FatalError(f"--custom-objects: {reference!r}: expected module:name of code of yours")


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
    for one in carried.nodes(node):
        config = one.get("config")
        if isinstance(one.get("class_name"), str) and isinstance(config, dict):
            name = config.get("name") or one.get("name") or ""
            kind = one["class_name"].rpartition(">")[2]
            if name and not kind.endswith("Policy"):  # initializers and the like have no name
                yield Layer(kind, str(name), config)
