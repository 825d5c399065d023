"""A foreign model's flatbuffer -> how pictures go in and what its outputs are called.

The normalisation and the labels come from TFLite Metadata (metadata_schema.fbs, file identifier
M001), which other tools write; size, colours and layout from the input tensor itself.
"""

from dataclasses import dataclass

from edge.errors import FatalError
from edge.flatbuffer import ends, schema
from edge.flatbuffer.reader import Damaged, Table, root
from edge.flatbuffer.tensors import buffer_sizes, read_tensor

METADATA = "TFLITE_METADATA"
NORMALIZATION = 1
AXIS_LABELS = 2
FIRST_INTEGER = {3: 0, 9: -128}
"""uint8 and int8: what the pixel value 0 becomes where a model takes pixels as they are."""

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Description:
    """What a foreign model says of itself."""

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels_file: str
    """The name of the file with the labels, in the appended zip."""
    place: int
    """Of the output that has those labels."""
    logits: bool
    """Whether its scores have yet to become probabilities."""


def describe(flatbuffer: bytes) -> Description | None:
    """None where there is no metadata. Raises FatalError where it is not enough, and Damaged where
    the model around it does not hold together."""
    model = root(flatbuffer, b"TFL3")
    found = _metadata(model, flatbuffer)
    if found is None:
        return None
    try:
        graphs = root(found, b"M001").tables(3)
        inputs = graphs[0].tables(2) if graphs else []
        outputs = graphs[0].tables(3) if graphs else []
        if not inputs or not outputs:
            raise FatalError("its TFLite Metadata does not describe input and output")
        place, labels_file = _labels(outputs)
        size, statistics = _input(model, len(flatbuffer), inputs[0])
        logits = ends.made_by(flatbuffer, place) in ends.GIVE_LOGITS
        return Description(*size, *statistics, labels_file, place, logits)
    except Damaged as error:
        raise FatalError(f"its TFLite Metadata is damaged: {error}") from None


def _metadata(model: Table, flatbuffer: bytes) -> bytes | None:
    for entry in model.tables(schema.Model.METADATA):
        if entry.string(0) == METADATA:
            buffers = model.tables(schema.Model.BUFFERS)
            number = entry.number(1, "I")
            if number >= len(buffers):
                raise Damaged("it lies in a buffer that is not there")
            start, length = buffers[number].bytes_at(schema.Buffer.DATA)
            return flatbuffer[start : start + length]
    return None


def _input(model: Table, file_bytes: int, given: Table) -> tuple[tuple[int, int, int], Statistics]:
    """Height, width and channels; mean and standard deviation."""
    graphs = model.tables(schema.Model.SUBGRAPHS)
    inputs = graphs[0].numbers(schema.Graph.INPUTS, "i") if graphs else ()
    tables = graphs[0].tables(schema.Graph.TENSORS) if graphs else []
    if not inputs or not 0 <= inputs[0] < len(tables):
        raise Damaged("the model has no input")
    tensor = read_tensor(tables[inputs[0]], inputs[0], buffer_sizes(model, file_bytes))
    size = _size(tensor.shape)
    if tensor.type in FIRST_INTEGER and tensor.scales and tensor.scales[0]:
        # Quantised models take pixels as they are (TFLite Task Library); the metadata's
        # normalisation speaks of the float model that they were made from.
        mean = float(tensor.zero_points[0] - FIRST_INTEGER[tensor.type])
        return size, ((mean,), (1.0 / tensor.scales[0],))
    return size, _normalization(given)


def _size(shape: tuple[int, ...]) -> tuple[int, int, int]:
    match shape:
        case (1, height, width):
            return height, width, 1
        case (1, height, width, (1 | 3) as channels):
            return height, width, channels
        case (1, (1 | 3) as channels, height, width):
            return height, width, channels
    raise FatalError(f"its input has the shape {list(shape)}, which is no picture")


def _normalization(given: Table) -> Statistics:
    for unit in given.tables(4):
        options = unit.table(1)
        if unit.number(0, "B") == NORMALIZATION and options is not None:
            mean, std = options.numbers(0, "f"), options.numbers(1, "f")
            if mean and std:
                return mean, std
    raise FatalError("its TFLite Metadata does not say how pixels are normalised")


def _labels(outputs: list[Table]) -> tuple[int, str]:
    """The first output that has labels, and their file."""
    for place, output in enumerate(outputs):
        for file in output.tables(6):
            if file.number(2, "b") == AXIS_LABELS:
                return place, file.string(0)
    raise FatalError("its TFLite Metadata names no file with labels")
