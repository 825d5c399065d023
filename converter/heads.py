"""A detector's output tensors and what they held -> the contract's `output`, where that is plain.

What cannot be told from shapes and values has to be said: `--head layout=yolov8`.
"""

import tomllib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from converter.flatbuffer import unpack
from edge.decode import anchors
from edge.decode.tensors import fitting_labels
from edge.errors import FatalError
from edge.flatbuffer.ends import GIVE_LOGITS, made_by
from edge.flatbuffer.schema import POSTPROCESS
from edge.head import OutputContract, RetinaAnchors, SsdAnchors
from edge.types import TensorSpec

Values = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
"""Of every YOLO since v3 whose input is no larger than its paper's."""
SLACK = 0.01
FURTHEST = 2.0
"""A normalised centre lies in the picture or a little beyond; one in pixels is of the order of
the picture's side. Widths tell less: an untrained network's reach 3.6 pictures."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A detector, and what its outputs held for some inputs."""

    flatbuffer: bytes
    size: tuple[int, int]
    """Height and width of the network's input."""
    labels: int
    specs: tuple[TensorSpec, ...]
    values: tuple[Values, ...]
    """Real outputs, (inputs, ...) each."""


def head_of(seen: Seen, told: tuple[str, ...]) -> OutputContract:
    """The contract's `output`: told (`layout=yolov8`, `nms.iou=0.5`) goes before seen.

    Raises FatalError that lists the outputs and names the key to give.
    """
    given = _parsed(told)
    if "layout" not in given:
        given["layout"] = _layout(seen)
    return _validated(_observed(seen, given) | given)


def scores_of(seen: Seen, told: tuple[str, ...]) -> OutputContract:
    """A classifier's `output`: which tensor holds its scores, and whether they are logits.

    Raises FatalError where several could be, and none is told.
    """
    given = _parsed(told)
    if strange := sorted(given.keys() - {"kind", "tensors"}):
        raise FatalError(
            "--head: describes a detector's outputs: add --task detect "
            f"(a classifier has kind and tensors, not {', '.join(strange)})"
        )
    fitting = fitting_labels(seen.labels, seen.specs)
    if len(fitting) > 1 and "tensors" not in given:
        listed = ", ".join(f"{place}: {seen.specs[place].name!r}" for place in fitting)
        raise FatalError(
            f"--head: several outputs have {seen.labels} values ({listed}): say which, for "
            f"example --head 'tensors=[{fitting[0]}]'"
        )
    if fitting and fitting[0]:
        given.setdefault("tensors", fitting)
    output = _validated(given)
    place = (output.tensors or fitting or (0,))[0]
    if "kind" not in given and made_by(seen.flatbuffer, place) in GIVE_LOGITS:
        return output.model_copy(update={"kind": "logits"})
    return output


def _validated(given: dict[str, Any]) -> OutputContract:
    try:
        return OutputContract.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "output"
        raise FatalError(f"--head: {key}: {first['msg']}") from None


def _parsed(told: tuple[str, ...]) -> dict[str, Any]:
    """`key=value` as in model.toml's output table; bare words are text."""
    given: dict[str, Any] = {}
    for line in told:
        key, _, value = line.partition("=")
        try:
            one = tomllib.loads(f"{key}={value}" if _is_toml(value) else f'{key}="{value}"')
        except tomllib.TOMLDecodeError:
            raise FatalError(f"--head: {line!r}: expected KEY=VALUE, as layout=yolov8") from None
        _merge(given, one)
    return given


def _is_toml(value: str) -> bool:
    try:
        tomllib.loads(f"value={value}")
    except tomllib.TOMLDecodeError:
        return False
    return True


def _merge(into: dict[str, Any], one: dict[str, Any]) -> None:
    for key, value in one.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _layout(seen: Seen) -> str:
    """The one layout that fits. Raises FatalError where none does, or several."""
    fitting = _fitting(seen)
    if len(fitting) == 1:
        return fitting[0]
    shapes = ", ".join(f"{one.name!r} {list(one.shape)}" for one in seen.specs)
    what = f"fit {' and '.join(fitting)}" if fitting else "fit no layout by themselves"
    raise FatalError(
        f"--head: the outputs {shapes} with {seen.labels} labels {what}: say which, for example "
        "--head layout=yolov8 (docs/events.md lists them), and check the number of labels"
    )


def _fitting(seen: Seen) -> list[str]:
    if postprocess_outputs(seen.flatbuffer):
        return ["ssd_postprocess"]
    shapes = [one.shape for one in seen.specs]
    cells = sum(-(-seen.size[0] // s) * -(-seen.size[1] // s) for s in STRIDES)
    if len(shapes) == 1 and len(shapes[0]) == 3:
        rows, columns = shapes[0][1:]
        names = {
            "yolov8": {(4 + seen.labels, cells), (cells, 4 + seen.labels)},
            "yolov5": {(3 * cells, 5 + seen.labels)},
            "end_to_end": {(rows, 6)} if rows not in (cells, 3 * cells) else set(),
        }
        return [name for name, allowed in names.items() if (rows, columns) in allowed]
    if len(shapes) == 2 and all(cells in shape for shape in shapes):
        return ["yolov8"]
    return []


def _observed(seen: Seen, given: dict[str, Any]) -> dict[str, Any]:
    """What the layout's tensors and values say of the rest."""
    layout = given["layout"]
    if layout == "ssd_postprocess":
        places = postprocess_outputs(seen.flatbuffer)
        return {"tensors": places} if places else {}
    found: dict[str, Any] = {}
    if layout in ("yolov5", "yolov8", "end_to_end"):
        found["coordinates"] = "pixels" if _centers(seen, layout).max() > FURTHEST else "normalized"
    if layout in ("ssd", "yolov5", "yolov8"):
        scores = _scores(seen, layout)
        plain = scores.min() >= -SLACK and scores.max() <= 1 + SLACK
        found["kind"] = "probabilities" if plain else "logits"
    if layout == "ssd" and "anchors" not in given:
        found["anchors"] = _anchors(seen)
    return found


def _centers(seen: Seen, layout: str) -> Values:
    """Centres x and y; of end_to_end the first corners."""
    if len(seen.values) == 1:
        return np.asarray(_rows(seen.values[0], _width(seen, layout))[..., :2])
    boxes = next((one for one in seen.values if 4 in one.shape[1:]), seen.values[0])
    return np.asarray(_rows(boxes, 4)[..., :2])


def _scores(seen: Seen, layout: str) -> Values:
    if len(seen.values) == 1:
        return np.asarray(_rows(seen.values[0], _width(seen, layout))[..., 4:])
    return next((one for one in seen.values if 4 not in one.shape[1:]), seen.values[-1])


def _width(seen: Seen, layout: str) -> int:
    """Values per row of a head of one tensor."""
    return {"yolov5": 5 + seen.labels, "yolov8": 4 + seen.labels}.get(layout, 6)


def _rows(values: Values, width: int) -> Values:
    """(inputs, rows, width), however the places lie."""
    return values if values.shape[-1] == width else np.swapaxes(values, -1, -2)


def _anchors(seen: Seen) -> dict[str, Any]:
    """The usual priors whose number is that of the rows. Raises FatalError where none are."""
    rows = {one.shape[1] for one in seen.specs if len(one.shape) == 3}
    usual = (SsdAnchors(), RetinaAnchors())
    fitting = [rule for rule in usual if len(anchors.make(rule, *seen.size)) in rows]
    if len(fitting) == 1:
        return fitting[0].model_dump()
    raise FatalError(
        f"--head: neither SSD's nor EfficientDet's usual anchors give {sorted(rows)} rows: say "
        "--head anchors.kind=ssd (or retina) and its parameters, --head 'anchors.strides=[8, 16]'"
    )


def postprocess_outputs(flatbuffer: bytes) -> tuple[int, ...]:
    """Where among the model's outputs the op's boxes, classes, scores and count lie; empty where
    the graph does not end in it. Exporters sort outputs as they like."""
    model = unpack(flatbuffer)
    graph = model.subgraphs[0]
    outputs = [int(index) for index in graph.outputs]
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        made = [int(index) for index in op.outputs]
        if code.customCode == POSTPROCESS.encode() and set(made) <= set(outputs):
            return tuple(outputs.index(index) for index in made)
    return ()
