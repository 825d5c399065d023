"""A GStreamer pipeline -> frames. The only module that imports GStreamer (the system's Python).

For cameras that only the vendor's elements reach: on a Jetson `csi:0` captures, scales and
converts in hardware (nvarguscamerasrc, NVMM memory, nvvidconv).
"""

import importlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from edge.address import hidden
from edge.capture.trouble import not_so
from edge.capture.wire import Layout, Picture, Request
from edge.errors import FatalError, TransientError
from edge.types import Image

TAIL = (
    "videoconvert ! video/x-raw,format=BGR ! "
    "appsink name=hedgerow max-buffers=1 drop=true sync=false"
)
ALLOWED = (
    *("Source", "Capture", "Filter", "Converter", "Decoder", "Codec"),
    *("Parser", "Demux", "Depay", "Generic"),
)
"""Words in the class of an element that only brings pictures here; sinks write or send."""


def gstreamer(request: Request) -> Iterator[Picture]:
    """Raises FatalError for a pipeline that has a sink of its own; TransientError for one that
    cannot be built: what it names may be installed or plugged in later."""
    gst = _library(request.shown)
    pipeline = _pipeline(gst, request)
    sink = pipeline.get_by_name("hedgerow")
    pipeline.set_state(gst.State.PLAYING)
    limit_ns = int(request.timeout_s * gst.SECOND)
    try:
        while True:
            sample = sink.emit("try-pull-sample", limit_ns)
            if sample is None:
                raise TransientError(f"{request.shown}: {_why(gst, pipeline, request)}")
            yield partial(_pixels, gst, sample)
    finally:
        pipeline.set_state(gst.State.NULL)


def _library(shown: str) -> Any:
    try:
        gi = importlib.import_module("gi")
        gi.require_version("Gst", "1.0")
        gst = importlib.import_module("gi.repository.Gst")
    except (ImportError, ValueError):
        raise not_so(
            shown, "needs GStreamer for Python: apt install python3-gi gir1.2-gstreamer-1.0"
        ) from None
    gst.init(None)
    return gst


def _pipeline(gst: Any, request: Request) -> Any:
    glib = importlib.import_module("gi.repository.GLib")
    try:
        pipeline = gst.parse_launch(f"{request.address} ! {TAIL}")
    except glib.Error as error:
        raise not_so(request.shown, hidden(error.message)) from None
    elements = pipeline.iterate_recurse()
    while (step := elements.next())[0] == gst.IteratorResult.OK:
        factory = step[1].get_factory()
        kind = factory.get_metadata("klass") or ""
        if step[1].get_name() != "hedgerow" and not any(word in kind for word in ALLOWED):
            raise FatalError(
                f"{request.shown}: the element {factory.get_name()} ({kind}) is not allowed: "
                "a source only brings frames"
            )
    return pipeline


def _why(gst: Any, pipeline: Any, request: Request) -> str:
    """What the pipeline itself says of its end."""
    kinds = gst.MessageType.ERROR | gst.MessageType.EOS
    message = pipeline.get_bus().pop_filtered(kinds)
    if message is None:
        return f"has sent nothing for {request.timeout_s:g} s"
    if message.type == gst.MessageType.EOS:
        return "has ended"
    return hidden(message.parse_error()[0].message)


def _pixels(gst: Any, sample: Any) -> tuple[Image, Layout]:
    """(height, width, 3) B,G,R; rows are padded to 4 bytes."""
    shape = sample.get_caps().get_structure(0)
    height, width = shape.get_value("height"), shape.get_value("width")
    buffer = sample.get_buffer()
    there, mapped = buffer.map(gst.MapFlags.READ)
    if not there:
        raise TransientError("a frame of GStreamer's cannot be read")
    try:
        rows = np.frombuffer(mapped.data, np.uint8).reshape(height, -1)
        return rows[:, : width * 3].reshape(height, width, 3).copy(), "bgr"
    finally:
        buffer.unmap(mapped)
