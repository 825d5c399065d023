"""A .tflite file -> its verified flatbuffer, contract and golden vectors."""

import hashlib
import io
import json
import re
import stat
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge import files, golden, text
from edge.contract import SCHEMA, Contract, InputContract, RejectRule
from edge.errors import FatalError
from edge.flatbuffer import metadata
from edge.flatbuffer.appended import Appended, appended
from edge.flatbuffer.reader import Damaged
from edge.golden import GOLDEN_FILE, Golden
from edge.head import OutputContract

__all__ = [
    "CONTRACT_FILE", "GOLDEN_FILE", "LABELS_FILE", "SCHEMA", "Appended", "Contract", "Golden",
    "InputContract", "Model", "RejectRule", "appended", "load", "sealed",
]  # fmt: skip

CONTRACT_FILE = "hedgerow.json"
LABELS_FILE = "labels.txt"

MOST_BYTES = 1 << 31
"""What a flatbuffer's offsets reach; no model is larger."""
MOST_TEXT = 1 << 20
"""Bytes of a contract, a model.toml or a list of labels."""
MOST_VALUES = 50_000
"""Numbers, texts and tables in a contract; one with 10,000 labels has 20,000."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model file whose bytes are the ones that its contract speaks of."""

    path: Path
    flatbuffer: bytes
    contract: Contract
    sha256: str
    golden: Golden | None


def load(path: Path) -> Model:
    """Read and verify a model file. Raises FatalError with the file and what to do."""
    try:
        data = _bytes(path)
    except FileNotFoundError:
        raise FatalError(f"{path}: there is no such model file") from None
    except OSError as error:
        why = files.withheld(path) or error.strerror
        raise FatalError(f"{path}: cannot be read: {why}") from None
    if data[4:8] != b"TFL3":
        raise FatalError(f"{path}: is not a TensorFlow Lite model")
    parts = appended(path, data)
    flatbuffer = data[: parts.flatbuffer_bytes]
    sha256 = hashlib.sha256(flatbuffer).hexdigest()
    contract = _contract(path, flatbuffer, parts.files)
    if contract.flatbuffer_sha256 not in ("", sha256):
        raise FatalError(
            f"{path}: is damaged: its SHA-256 is {sha256[:12]}…, the contract says "
            f"{contract.flatbuffer_sha256[:12]}…; copy the file again"
        )
    return Model(path, flatbuffer, contract, sha256, _golden(path, parts.files.get(GOLDEN_FILE)))


def _bytes(path: Path) -> bytes:
    about = path.stat()
    if stat.S_ISREG(about.st_mode) and about.st_size > MOST_BYTES:
        raise FatalError(f"{path}: is {about.st_size >> 20} MiB large: no model is")
    if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
        raise FatalError(f"{path}: is no file")
    return path.read_bytes()


def sealed(flatbuffer: bytes, contract: Contract, more: dict[str, bytes]) -> bytes:
    """One file: the flatbuffer, and behind it labels, contract and the files of `more`.

    The same arguments give the same bytes; the contract gets the flatbuffer's SHA-256.
    """
    # The zip's offsets count from the file's start; its local headers need no alignment.
    signed = contract.model_copy(
        update={"flatbuffer_sha256": hashlib.sha256(flatbuffer).hexdigest()}
    )
    files = {
        LABELS_FILE: "".join(f"{label}\n" for label in contract.labels).encode(),
        CONTRACT_FILE: signed.model_dump_json(by_alias=True, indent=1).encode(),
    }
    data = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(data, "a", zipfile.ZIP_STORED) as archive:
        for name, content in (files | {n: c for n, c in more.items() if n not in files}).items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return data.getvalue()


def _contract(path: Path, flatbuffer: bytes, files: dict[str, bytes]) -> Contract:
    """From inside the file; for a foreign model from model.toml beside it, else from its
    TFLite Metadata: who writes a model.toml knows better than the metadata."""
    sidecar = path.with_name("model.toml")
    try:
        if CONTRACT_FILE in files:
            where = f"{path}: {CONTRACT_FILE}"
            return Contract.model_validate(_json(files[CONTRACT_FILE]))
        where = str(sidecar)
        if sidecar.exists():
            return _obeyed(where, Contract.model_validate(_toml(sidecar)))
        where = f"{path}: TFLite Metadata"
        return _foreign(path, flatbuffer, files)
    except ValidationError as error:
        raise FatalError(f"{where}: {_first(error)}") from None
    except RecursionError:
        raise FatalError(f"{where}: is damaged or hostile: nested too deep") from None
    except (ValueError, OSError) as error:
        raise FatalError(f"{where}: cannot be read: {text.shown(str(error))}") from None


def _obeyed(where: str, contract: Contract) -> Contract:
    """Raises FatalError for what its author wrote in vain."""
    if idle := contract.idle_keys():
        what = contract.output.layout or contract.task
        raise FatalError(f"{where}: {', '.join(idle)}: without effect for {what}: leave it out")
    return contract


def _first(error: ValidationError) -> str:
    """The first problem in one line: `key: what was expected`."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = text.shown(".".join(str(part) for part in first["loc"])) or "contract"
    return f"{key}: {text.shown(first['msg'].removeprefix('Value error, '))}"


def _json(content: bytes) -> Any:
    """Raises ValueError for what no contract is: too much of it, a number that is none, one key
    with two values."""
    _refuse_masses(content, content.count(b","))
    return json.loads(content, parse_constant=_no_number, object_pairs_hook=_no_key_twice)


def _toml(path: Path) -> Any:
    """The same for a model.toml."""
    with path.open("rb") as file:
        content = file.read(MOST_TEXT + 1)
    _refuse_masses(content, content.count(b",") + content.count(b"\n"))
    return tomllib.loads(text.decoded(content))


def _refuse_masses(content: bytes, values: int) -> None:
    if len(content) > MOST_TEXT:
        raise ValueError(f"it is larger than {MOST_TEXT >> 10} KiB")
    if values + content.count(b"[") + content.count(b"{") > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES} values")


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("one of its tables has a key twice")
    return table


def _foreign(path: Path, flatbuffer: bytes, files: dict[str, bytes]) -> Contract:
    """What TFLite Metadata says. Raises FatalError that asks for a model.toml."""
    advice = f"make the file with `converter convert`, or describe it in {path.parent}/model.toml"
    try:
        described = metadata.describe(flatbuffer)
    except Damaged as error:
        raise FatalError(
            f"{path}: carries no contract (labels, preprocessing), and is damaged or cut off "
            f"({error}): copy it again, or {advice}"
        ) from None
    except FatalError as error:
        raise FatalError(
            f"{path}: carries no contract (labels, preprocessing), and {error}; {advice}"
        ) from None
    if described is None:
        raise FatalError(f"{path}: carries no contract (labels, preprocessing): {advice}")
    if described.labels_file not in files:
        name = text.shown(described.labels_file)
        raise FatalError(f"{path}: lacks its file with labels {name!r}; {advice}")
    labels = _listed(files[described.labels_file])
    return Contract(
        schema=SCHEMA,
        name=re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-")[:128] or "model",
        input=InputContract(
            width=described.width,
            height=described.height,
            color="grey" if described.channels == 1 else "rgb",
            mean=described.mean,
            std=described.std,
        ),
        labels=labels,
        output=OutputContract(
            kind="logits" if described.logits else "probabilities", tensors=(described.place,)
        ),
    )


def _listed(content: bytes) -> tuple[str, ...]:
    """The lines of a foreign list of labels. Raises ValueError for more than anybody lists."""
    _refuse_masses(content, content.count(b"\n"))
    lines = text.decoded(content).rstrip().split("\n")
    return tuple(line.replace("\t", " ").strip() for line in lines)


def _golden(path: Path, archive: bytes | None) -> Golden | None:
    if archive is None:
        return None
    try:
        return golden.read(archive)
    except FatalError as error:
        reason = text.shown(str(error))
        raise FatalError(f"{path}: {GOLDEN_FILE}: cannot be read: {reason}") from None
