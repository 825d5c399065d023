"""TFLite flatbuffers <-> object trees, to make sound-looking files that are wrong somewhere."""

from typing import Any


def unpack(flatbuffer: bytes) -> Any:
    """The bytes -> schema's ModelT, whose numbers can be changed."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(flatbuffer))


def pack(model: Any) -> bytes:
    """Schema's ModelT -> the bytes of a .tflite file."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
