"""A .tflite file -> its verified flatbuffer, contract and golden vectors."""

import hashlib
import io
import json
import re
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from edge.errors import FatalError
from edge.flatbuffer import metadata
from edge.head import OutputContract, Part, Share, Task, fits_task
from edge.types import UNKNOWN, Tensor

CONTRACT_FILE = "hedgerow.json"
LABELS_FILE = "labels.txt"
GOLDEN_FILE = "golden.npz"
SCHEMA: Literal["hedgerow.model/1"] = "hedgerow.model/1"

LETTERBOX_GREY = 114
"""The pixel value of a letterbox's bars unless a model says otherwise, as YOLO is trained."""

MOST_APPENDED = 1 << 28
"""Bytes that the appended zip may unpack to: labels, contract, golden vectors."""

Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class InputContract(Part):
    """How a picture becomes the network's input: `(pixel - mean) / std` per channel."""

    width: int = Field(gt=0, le=8192)
    height: int = Field(gt=0, le=8192)
    color: Literal["rgb", "bgr", "grey"] = "rgb"
    resize: Literal["stretch", "letterbox", "crop"] = "stretch"
    crop_fraction: float = Field(default=1.0, gt=0, le=1)
    """With resize = crop: the side of the central square, as a share of the shorter side."""
    pad: int = Field(default=LETTERBOX_GREY, ge=0, le=255)
    """With resize = letterbox: the pixel value of the bars."""
    mean: Channels = (0.0,)
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=3)] = (
        255.0,
    )

    @model_serializer(mode="wrap")
    def _without_usual_pad(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The usual pad is not written: devices that do not know the key read the file too."""
        written: dict[str, Any] = serialize(self)
        if self.pad == LETTERBOX_GREY:
            written.pop("pad", None)
        return written

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> "InputContract":
        for key, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                allowed = "1 value" if self.channels == 1 else f"1 or {self.channels} values"
                raise ValueError(f"{key}: expected {allowed} for {self.color}, got {len(values)}")
        return self

    @property
    def channels(self) -> int:
        """Colour channels of the network's input: 1 or 3."""
        return 1 if self.color == "grey" else 3


class RejectRule(Part):
    """When a frame is none of the labels: its highest probability lies below `below`."""

    rule: Literal["max_probability"] = "max_probability"
    below: Share = 0.0
    label: str = Field(default=UNKNOWN, min_length=1)
    """What such a frame is called instead: unknown, no_leaf, ...; may have a threshold."""


class Contract(Part):
    """`hedgerow.json`: all that a device must know of a model to use it rightly."""

    schema_: Literal["hedgerow.model/1"] = Field(default="hedgerow.model/1", alias="schema")
    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    version: str = "1.0.0"
    task: Task = "classify"
    input: InputContract
    output: OutputContract = OutputContract()
    labels: tuple[str, ...] = Field(min_length=1)
    thresholds: dict[str, Share] = Field(default={})
    """The labels that become events, each with the score from which it counts."""
    temperature: float = Field(default=1.0, gt=0)
    reject: RejectRule = RejectRule()
    flatbuffer_sha256: str = ""
    provenance: dict[str, Any] = Field(default={})
    receipt: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _parts_agree(self) -> "Contract":
        fits_task(self.task, self.output)
        strangers = sorted(set(self.thresholds) - {*self.labels, self.reject.label})
        if strangers:
            raise ValueError(f"thresholds name {strangers}, which are not among the labels")
        return self


@dataclass(frozen=True, slots=True)
class Golden:
    """Input tensors with the raw outputs that CPU inference gave for them at conversion."""

    inputs: Tensor
    """(n, height, width, channels) in the input tensor's dtype."""
    outputs: Tensor
    """(n, ...) in the output tensor's dtype."""


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
        data = path.read_bytes()
    except FileNotFoundError:
        raise FatalError(f"{path}: there is no such model file") from None
    except OSError as error:
        raise FatalError(f"{path}: cannot be read: {error.strerror}") from None
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


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the flatbuffer ends, and the files in the zip behind it."""

    flatbuffer_bytes: int
    files: dict[str, bytes]


def appended(path: Path, data: bytes) -> Appended:
    """The zip behind the flatbuffer; none in a foreign model. Raises FatalError."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if sum(i.file_size for i in infos) > MOST_APPENDED:
                raise FatalError(f"{path}: is damaged or hostile: its zip unpacks to gigabytes")
            start = min((i.header_offset for i in infos), default=len(data))
            return Appended(start, {i.filename: archive.read(i) for i in infos})
    except zipfile.BadZipFile as error:
        if str(error) == "File is not a zip file":
            return Appended(len(data), {})
        raise FatalError(f"{path}: is damaged ({error}); copy the file again") from None
    except (OSError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise FatalError(f"{path}: is damaged ({error}); copy the file again") from None


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
            return Contract.model_validate(json.loads(files[CONTRACT_FILE]))
        where = str(sidecar)
        if sidecar.exists():
            return Contract.model_validate(tomllib.loads(sidecar.read_text()))
        where = f"{path}: TFLite Metadata"
        return _foreign(path, flatbuffer, files)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "contract"
        raise FatalError(f"{where}: {key}: {first['msg']}") from None
    except (ValueError, OSError) as error:
        raise FatalError(f"{where}: cannot be read: {error}") from None


def _foreign(path: Path, flatbuffer: bytes, files: dict[str, bytes]) -> Contract:
    """What TFLite Metadata says. Raises FatalError that asks for a model.toml."""
    advice = f"make the file with `converter convert`, or describe it in {path.parent}/model.toml"
    try:
        described = metadata.describe(flatbuffer)
    except FatalError as error:
        raise FatalError(
            f"{path}: carries no contract (labels, preprocessing), and {error}; {advice}"
        ) from None
    if described is None:
        raise FatalError(f"{path}: carries no contract (labels, preprocessing): {advice}")
    if described.labels_file not in files:
        raise FatalError(f"{path}: lacks its file with labels {described.labels_file!r}; {advice}")
    labels = files[described.labels_file].decode("utf-8", "replace").rstrip().split("\n")
    return Contract(
        schema=SCHEMA,
        name=re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-") or "model",
        input=InputContract(
            width=described.width,
            height=described.height,
            color="grey" if described.channels == 1 else "rgb",
            mean=described.mean,
            std=described.std,
        ),
        labels=tuple(label.strip() for label in labels),
    )


def _golden(path: Path, archive: bytes | None) -> Golden | None:
    if archive is None:
        return None
    try:
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return Golden(arrays["inputs"], arrays["outputs"])
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FatalError(f"{path}: {GOLDEN_FILE}: cannot be read: {error}") from None
