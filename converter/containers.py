"""A .keras or HDF5 file -> the JSON in it, once nothing in the file leads out of it."""

import io
import json
import stat
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from edge.errors import FatalError
from edge.text import shown

LARGEST_DATASET_BYTES = 2**32
"""No CNN has a tensor of this size; a file that declares one wants to exhaust the memory."""

LARGEST_CONFIG_BYTES = 2**26
MOST_PACKED = 100
"""How many times smaller weights may be in a zip: trained ones hardly shrink at all."""
HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Held:
    """What a file says of itself."""

    kind: Literal["keras", "h5"]
    keras_version: str
    config: dict[str, Any]
    """Empty for weights alone."""
    training: Any = field(default_factory=dict)


def read(path: Path) -> Held:
    """Raises FatalError for a file that is damaged, of another kind, or leads out of itself."""
    if not path.is_file():
        raise FatalError(f"{path}: there is no such model file")
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PK"):
        return _zip(path)
    if start == HDF5:
        return _hdf5(path)
    advice = (
        "convert the Keras model it came from"
        if start[4:8] == b"TFL3"
        else "save the model with model.save('model.keras')"
    )
    raise FatalError(f"{path}: is no .keras or .h5 file and no SavedModel folder: {advice}")


def _zip(path: Path) -> Held:
    import h5py

    if h5py.is_hdf5(path):
        raise FatalError(f"{path}: is a zip and an HDF5 file in one: save the model again")
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _check_entry(path, info)
            _check_weights(path, archive)
            config = _object(path, "config.json", archive.read("config.json"))
            metadata = _object(path, "metadata.json", archive.read("metadata.json"))
    except KeyError as error:
        raise FatalError(f"{path}: is no .keras file: {error.args[0]}") from None
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError) as error:
        raise FatalError(f"{path}: is damaged: {shown(str(error))}") from None
    return Held("keras", str(metadata.get("keras_version", "")), config)


def _check_entry(path: Path, info: zipfile.ZipInfo) -> None:
    name = shown(info.filename)
    parts = PurePosixPath(info.filename.replace("\\", "/"))
    if info.filename.endswith((".pkl", ".pickle")):
        raise FatalError(
            f"{path}: holds {name}, a pickle, which can run code: save the model again with Keras 3"
        )
    if parts.is_absolute() or ".." in parts.parts or stat.S_ISLNK(info.external_attr >> 16):
        raise FatalError(f"{path}: holds {name!r}, which leads out of the file: do not open it")
    if info.filename.endswith(".json") and info.file_size > LARGEST_CONFIG_BYTES:
        raise FatalError(f"{path}: {name} is larger than 64 MiB")


def _check_weights(path: Path, archive: zipfile.ZipFile) -> None:
    """The HDF5 files inside lead nowhere either."""
    import h5py

    for info in archive.infolist():
        if info.filename.endswith(".h5"):
            whole = info.compress_type == zipfile.ZIP_STORED
            if (
                not whole
                and info.file_size > MOST_PACKED * info.compress_size + LARGEST_CONFIG_BYTES
            ):
                raise FatalError(
                    f"{path}: {shown(info.filename)} is packed too tightly for weights"
                )
            with archive.open(info) as entry:
                source = entry if whole else io.BytesIO(entry.read())
                with h5py.File(source, "r") as file:
                    _check_group(path, file)


def _hdf5(path: Path) -> Held:
    import h5py

    if zipfile.is_zipfile(path):
        raise FatalError(f"{path}: is a zip and an HDF5 file in one: save the model again")
    try:
        with h5py.File(path, "r") as file:
            _check_group(path, file)
            found = {name: file.attrs.get(name) for name in ("model_config", "training_config")}
            version = file.attrs.get("keras_version", "")
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise FatalError(f"{path}: is damaged: {shown(' '.join(str(error).split()))}") from None
    parsed = {
        name: {} if value is None else _object(path, name, value) for name, value in found.items()
    }
    return Held("h5", _text(version), parsed["model_config"], parsed["training_config"])


def _check_group(path: Path, group: Any) -> None:
    import h5py

    for key in group:
        link = group.get(key, getlink=True)
        where = shown(f"{group.name.rstrip('/')}/{key}")
        if isinstance(link, h5py.ExternalLink):
            raise FatalError(f"{path}: {where} is a link into another file, {shown(link.filename)}")
        if isinstance(link, h5py.SoftLink):
            continue
        item = group[key]
        if isinstance(item, h5py.Group):
            _check_group(path, item)
        elif not isinstance(item, h5py.Dataset):
            raise FatalError(f"{path}: {where} is no tensor of a CNN")
        elif item.external or item.is_virtual:
            raise FatalError(f"{path}: {where} keeps its numbers in another file")
        elif item.dtype.kind == "O" or item.nbytes > LARGEST_DATASET_BYTES:
            raise FatalError(f"{path}: {where} is no tensor of a CNN ({item.dtype}, {item.shape})")


def _object(path: Path, name: str, text: Any) -> dict[str, Any]:
    """JSON that must be an object. Raises FatalError."""
    if not isinstance(text, str | bytes):
        raise FatalError(f"{path}: {name}: is no text")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FatalError(f"{path}: {name}: is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise FatalError(f"{path}: {name}: is no JSON object")
    return found


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
