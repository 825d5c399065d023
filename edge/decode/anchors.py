"""Priors of raw detection heads: the contract's parameters -> (n, 4) boxes.

A prior is centre y, centre x, height, width, normalised to the network's input: the order in
which SSD's and EfficientDet's encodings are written.
"""

import itertools
import math

import numpy as np

from edge.decode.boxes import Floats
from edge.errors import FatalError
from edge.head import RetinaAnchors, SsdAnchors

MOST_CELLS = 1 << 17
"""Of one grid; EfficientDet-D7's finest has 36,864."""


def make(rule: SsdAnchors | RetinaAnchors, height: int, width: int) -> Floats:
    """All priors of a network with that input, in the order of its head's rows.

    Raises FatalError for more than any network has.
    """
    finest = min(rule.strides) if isinstance(rule, SsdAnchors) else 2**rule.min_level
    if math.ceil(height / finest) * math.ceil(width / finest) > MOST_CELLS:
        raise FatalError(
            f"output.anchors: a grid with a cell every {finest} pixels of {width} x {height} has "
            f"more than {MOST_CELLS} cells: no network has"
        )
    match rule:
        case SsdAnchors():
            return _ssd(rule, height, width)
        case RetinaAnchors():
            return _retina(rule, height, width)


def decode(encodings: Floats, anchors: Floats, rule: SsdAnchors | RetinaAnchors) -> Floats:
    """(n, 4) encodings ty, tx, th, tw -> (n, 4) boxes x_min, y_min, x_max, y_max of the input.

    `y = ty / variance * height_a + y_a`, `h = exp(th / variance) * height_a` (Girshick et al.
    2014, box regression; the variances are TF Object Detection's scale factors).
    """
    code = encodings / np.array(rule.variances, np.float32)
    center = code[:, :2] * anchors[:, 2:] + anchors[:, :2]
    half = np.exp(np.minimum(code[:, 2:], 10.0)) * anchors[:, 2:] / 2
    boxes = np.concatenate([center - half, center + half], axis=1)
    return np.asarray(boxes[:, [1, 0, 3, 2]], np.float32)


def _grid(rows: int, columns: int, shapes: list[tuple[float, float]]) -> Floats:
    """Every (height, width) of `shapes` at every cell's centre, row by row."""
    ys = (np.arange(rows) + 0.5) / rows
    xs = (np.arange(columns) + 0.5) / columns
    cells = np.stack(np.meshgrid(ys, xs, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    sizes = np.array(shapes).reshape(1, -1, 2)
    count = (len(cells), sizes.shape[1], 2)
    both = [np.broadcast_to(cells, count), np.broadcast_to(sizes, count)]
    return np.concatenate(both, axis=-1).reshape(-1, 4).astype(np.float32)


def _ssd(rule: SsdAnchors, height: int, width: int) -> Floats:
    """Liu et al. 2016, section 2.2, as TF Object Detection's multiple_grid_anchor_generator."""
    steps = len(rule.strides) - 1
    span = rule.max_scale - rule.min_scale
    scales = [rule.min_scale + span * k / steps for k in range(steps + 1)] + [1.0]
    grids = []
    for layer, stride in enumerate(rule.strides):
        shapes = _ssd_shapes(rule, scales[layer : layer + 2], lowest=layer == 0)
        short = min(height, width)
        scaled = [(h * short / height, w * short / width) for h, w in shapes]
        grids.append(_grid(math.ceil(height / stride), math.ceil(width / stride), scaled))
    return np.concatenate(grids)


def _ssd_shapes(rule: SsdAnchors, scales: list[float], lowest: bool) -> list[tuple[float, float]]:
    """One grid's (height, width), given its scale and the next one's."""
    if lowest and rule.reduce_lowest:
        return [_shape(0.1, 1.0), _shape(scales[0], 2.0), _shape(scales[0], 0.5)]
    shapes = [_shape(scales[0], aspect) for aspect in rule.aspect_ratios]
    if rule.interpolated:
        shapes.append(_shape(math.sqrt(scales[0] * scales[1]), 1.0))
    return shapes


def _shape(scale: float, aspect: float) -> tuple[float, float]:
    return scale / math.sqrt(aspect), scale * math.sqrt(aspect)


def _retina(rule: RetinaAnchors, height: int, width: int) -> Floats:
    """Lin et al. 2017, section 4: per level, octave scales times aspect ratios at every cell."""
    rows, columns = height, width
    grids = []
    for level in range(1, rule.max_level + 1):
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
        if level < rule.min_level:
            continue
        octaves = [2 ** (k / rule.scales_per_octave) for k in range(rule.scales_per_octave)]
        shapes = []
        for octave, aspect in itertools.product(octaves, rule.aspect_ratios):
            tall, wide = _shape(rule.anchor_scale * octave, aspect)
            shapes.append((tall / rows, wide / columns))
        grids.append(_grid(rows, columns, shapes))
    return np.concatenate(grids)
