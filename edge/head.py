"""The part of a model's contract that says what its output tensors mean."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Ratios = Annotated[tuple[Positive, ...], Field(min_length=1, max_length=16)]
Four = tuple[Positive, Positive, Positive, Positive]
Task = Literal["classify", "multilabel", "detect"]


class Part(BaseModel):
    """A table of the contract: unknown keys and numbers that are none are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Nms(Part):
    """How overlapping boxes of a raw head become one (non-maximum suppression)."""

    iou: Share = 0.45
    """A box that overlaps a better one by more than this is the same object."""
    per_class: bool = True
    """False: boxes of different labels suppress each other too."""
    min_score: Share = 0.05
    """What lies below is dropped first: low enough for a tracker's second look."""
    max_detections: int = Field(default=100, ge=1, le=1000)


class SsdAnchors(Part):
    """Priors of an SSD, one grid per stride (Liu et al. 2016; TF Object Detection's generator)."""

    kind: Literal["ssd"] = "ssd"
    strides: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(16, 32, 64, 128, 256, 512), min_length=2, max_length=16
    )
    min_scale: Positive = 0.2
    max_scale: Positive = 0.95
    aspect_ratios: Ratios = (1.0, 2.0, 0.5, 3.0, 1 / 3)
    interpolated: bool = True
    """One more square prior per place, between this grid's scale and the next one's."""
    reduce_lowest: bool = True
    """Three priors only on the finest grid."""
    variances: Four = (10.0, 10.0, 5.0, 5.0)
    """What y, x, height and width were multiplied by in training."""


class RetinaAnchors(Part):
    """Priors of RetinaNet and EfficientDet (Lin et al. 2017; Tan et al. 2020)."""

    kind: Literal["retina"] = "retina"
    min_level: int = Field(default=3, ge=1)
    max_level: int = Field(default=7, le=10)
    scales_per_octave: int = Field(default=3, ge=1, le=16)
    aspect_ratios: Ratios = (1.0, 2.0, 0.5)
    """Width over height."""
    anchor_scale: Positive = 4.0
    """An anchor's side, in strides."""
    variances: Four = (1.0, 1.0, 1.0, 1.0)


Anchors = Annotated[SsdAnchors | RetinaAnchors, Field(discriminator="kind")]


class OutputContract(Part):
    """What the network's output means. Everything but `kind` is for task = detect."""

    kind: Literal["probabilities", "logits"] = "probabilities"
    """Logits go through softmax (classify) or the logistic function (multilabel, detect)."""
    layout: Literal["ssd_postprocess", "ssd", "yolov5", "yolov8", "end_to_end"] | None = None
    """ssd_postprocess: the TFLite_Detection_PostProcess op; ssd: box encodings and scores over
    anchors; yolov5: (N, 5 + labels) with objectness; yolov8 (v8, v9, v11): (4 + labels, N);
    end_to_end: (N, 6) x_min, y_min, x_max, y_max, score, class, with NMS in the graph."""
    tensors: tuple[int, ...] | None = None
    """Positions among the model's outputs; ssd_postprocess: boxes, classes, scores, count;
    ssd and a split yolov8: boxes, scores. None: that order, as the tensors' names and shapes
    tell it."""
    coordinates: Literal["normalized", "pixels"] = "normalized"
    """yolov5, yolov8 and end_to_end: 0..1 of the input, or its pixels."""
    nms: Nms = Nms()
    anchors: Anchors | None = None

    @model_validator(mode="after")
    def _whole(self) -> "OutputContract":
        if (self.layout == "ssd") != (self.anchors is not None):
            raise ValueError("anchors belong to layout = ssd, which cannot do without")
        return self


IN_GRAPH = ("ssd_postprocess", "end_to_end")
"""Layouts whose boxes are suppressed and sorted by the graph itself; their scores are taken as
they are."""


NMS_READ: dict[str | None, set[str]] = {
    None: set(),
    "ssd_postprocess": set(),
    "end_to_end": {"min_score", "max_detections"},
}
"""By layout; the others read all of them."""


def idle_keys(output: OutputContract) -> list[str]:
    """The keys that were given a value and that this layout does not read."""
    usual, found = OutputContract(), []
    if output.layout in (None, "ssd", "ssd_postprocess") and output.coordinates != "normalized":
        found.append("output.coordinates")
    if output.layout in IN_GRAPH and output.kind != usual.kind:
        found.append("output.kind")
    read = NMS_READ.get(output.layout, set(Nms.model_fields))
    for key in Nms.model_fields:
        if key not in read and getattr(output.nms, key) != getattr(usual.nms, key):
            found.append(f"output.nms.{key}")
    return found


def fits_task(task: Task, output: OutputContract) -> None:
    """Raises ValueError where the task and the output's layout do not go together."""
    if (task == "detect") != (output.layout is not None):
        raise ValueError(
            "output.layout is for task = detect, which cannot do without: one of "
            "ssd_postprocess, ssd, yolov5, yolov8, end_to_end"
        )
