"""`hedgerow.json`: all that a device must know of a model to use it rightly."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    FailFast,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from edge import text
from edge.head import OutputContract, Part, Share, Task, fits_task
from edge.types import UNKNOWN

SCHEMA: Literal["hedgerow.model/1"] = "hedgerow.model/1"

LETTERBOX_GREY = 114
"""The pixel value of a letterbox's bars unless a model says otherwise, as YOLO is trained."""
MOST_LABELS = 20_000
"""Of models with whole taxonomies of species."""
MOST_CHARACTERS = 256
"""Of a label, which is shown, logged, and part of payloads."""


def _one_line(value: str) -> str:
    if text.shown(value, MOST_CHARACTERS) != value:
        raise ValueError(
            f"expected a line of at most {MOST_CHARACTERS} characters without control characters, "
            f"got {text.shown(repr(value), 60)}"
        )
    return value


Line = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]
"""Text that is shown and logged."""
Labels = Annotated[
    tuple[Annotated[str, AfterValidator(_one_line)], ...],
    FailFast(),
    Field(min_length=1, max_length=MOST_LABELS),
]
"""In the order of the network's outputs. Foreign lists have empty ones for classes never used."""
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
    label: Line = UNKNOWN
    """What such a frame is called instead: unknown, no_leaf, ...; may have a threshold."""


class Contract(Part):
    """`hedgerow.json`: all that a device must know of a model to use it rightly."""

    schema_: Literal["hedgerow.model/1"] = Field(default="hedgerow.model/1", alias="schema")
    name: str = Field(pattern=r"^[a-z0-9_-]+$", max_length=128)
    version: Line = "1.0.0"
    task: Task = "classify"
    input: InputContract
    output: OutputContract = OutputContract()
    labels: Labels
    thresholds: dict[str, Share] = Field(default={})
    """The labels that become events, each with the score from which it counts."""
    temperature: float = Field(default=1.0, gt=0)
    reject: RejectRule = RejectRule()
    flatbuffer_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    provenance: dict[str, Any] = Field(default={})
    receipt: dict[str, Any] = Field(default={})

    @model_validator(mode="after")
    def _parts_agree(self) -> "Contract":
        fits_task(self.task, self.output)
        strangers = sorted(set(self.thresholds) - {*self.labels, self.reject.label})
        if strangers:
            named = text.shown(str(strangers))
            raise ValueError(f"thresholds name {named}, which are not among the labels")
        _refuse_look_alikes(self.labels)
        return self


def _refuse_look_alikes(labels: tuple[str, ...]) -> None:
    """Two spellings of one name would be told apart by nobody who reads them.

    A name that stands twice is accepted: ImageNet has two cranes.
    """
    spelled: dict[str, str] = {}
    for label in labels:
        other = spelled.setdefault(text.composed(label), label)
        if other != label:
            raise ValueError(
                f"labels: {label!r} stands twice, in two Unicode spellings (NFC and NFD): "
                "write both alike, or rename one"
            )
