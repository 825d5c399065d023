"""A flatbuffer and its contract -> the flatbuffer with standard TFLite Metadata.

Schema: tflite-support, metadata_schema.fbs (file identifier M001); the numbers below are its
field positions. Other tools read the labels and the normalisation from it.
"""

from typing import Any

import numpy as np

from converter.flatbuffer import pack, unpack
from edge.model import LABELS_FILE, Contract, InputContract

METADATA_NAME = b"TFLITE_METADATA"
IMAGE_PROPERTIES = 2
NORMALIZATION = 1
FEATURE_PROPERTIES = 1
TENSOR_AXIS_LABELS = 2
RGB, GRAYSCALE = 1, 2


def with_metadata(flatbuffer: bytes, contract: Contract) -> bytes:
    """Attach a description of input, output and labels as the buffer TFLITE_METADATA."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(flatbuffer)
    buffer = schema.BufferT()
    outputs = len(model.subgraphs[0].outputs)
    buffer.data = np.frombuffer(describe(contract, outputs), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = METADATA_NAME
    entry.buffer = len(model.buffers) - 1
    kept = [m for m in model.metadata or [] if m.name != METADATA_NAME]
    model.metadata = [*kept, entry]
    return pack(model)


def describe(contract: Contract, outputs: int = 1) -> bytes:
    """The ModelMetadata flatbuffer of a classifier; one of its outputs has the labels."""
    import flatbuffers

    place = (contract.output.tensors or (0,))[0]
    b = flatbuffers.Builder(1024)
    subgraph = _table(
        b,
        {
            2: _vector(b, [_input(b, contract.input)]),
            3: _vector(b, [_output(b) if n == place else _unnamed(b) for n in range(outputs)]),
        },
    )
    root = _table(
        b,
        {
            0: b.CreateString(contract.name),
            2: b.CreateString(contract.version),
            3: _vector(b, [subgraph]),
            7: b.CreateString("1.0.0"),
        },
    )
    b.Finish(root, b"M001")
    return bytes(b.Output())


def _input(b: Any, contract: InputContract) -> int:
    channels = np.ones(contract.channels)
    mean, std = np.multiply(contract.mean, channels), np.multiply(contract.std, channels)
    normalization = _table(b, {0: _floats(b, mean), 1: _floats(b, std)})
    unit = _table(b, {0: np.uint8(NORMALIZATION), 1: normalization})
    stats = _table(b, {0: _floats(b, (255 - mean) / std), 1: _floats(b, (0 - mean) / std)})
    space = GRAYSCALE if contract.color == "grey" else RGB
    content = _content(b, IMAGE_PROPERTIES, _table(b, {0: np.int8(space)}))
    fields = {0: b.CreateString("image"), 3: content, 4: _vector(b, [unit]), 5: stats}
    return _table(b, fields)


def _output(b: Any) -> int:
    file = _table(b, {0: b.CreateString(LABELS_FILE), 2: np.int8(TENSOR_AXIS_LABELS)})
    content = _content(b, FEATURE_PROPERTIES, _table(b, {}))
    stats = _table(b, {0: _floats(b, np.ones(1)), 1: _floats(b, np.zeros(1))})
    fields = {0: b.CreateString("scores"), 3: content, 5: stats, 6: _vector(b, [file])}
    return _table(b, fields)


def _unnamed(b: Any) -> int:
    """An output that the contract does not read."""
    return _table(b, {0: b.CreateString("other")})


def _content(b: Any, kind: int, properties: int) -> int:
    return _table(b, {0: np.uint8(kind), 1: properties})


def _table(b: Any, fields: dict[int, int | np.uint8 | np.int8]) -> int:
    """A table with offsets (plain int) or bytes (numpy) at the given field positions."""
    b.StartObject(max(fields, default=-1) + 1)
    for position, value in fields.items():
        if isinstance(value, np.uint8):
            b.PrependUint8Slot(position, int(value), 0)
        elif isinstance(value, np.int8):
            b.PrependInt8Slot(position, int(value), 0)
        else:
            b.PrependUOffsetTRelativeSlot(position, value, 0)
    return int(b.EndObject())


def _vector(b: Any, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _floats(b: Any, values: Any) -> int:
    return int(b.CreateNumpyVector(np.asarray(values, np.float32)))
