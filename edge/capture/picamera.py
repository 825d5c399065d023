"""A Raspberry Pi's camera -> frames. The only module that imports picamera2 (the system's Python).

The camera's own processor scales: the stream is asked for at the width that is wanted.
"""

import importlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from edge.address import hidden
from edge.capture.trouble import not_so
from edge.capture.wire import Layout, Picture, Request
from edge.errors import TransientError
from edge.types import Image

WIDTH = 640
"""Where no width is asked for."""


def picamera(request: Request) -> Iterator[Picture]:
    """`stream = "main"`: RGB888, which is B,G,R in memory; `"lores"`: planar YUV 4:2:0.

    Raises TransientError where picamera2 is not installed, where the settings are refused, and
    where there is no such camera (yet): this machine and its camera may change.
    """
    library = _library(request.shown)
    number = int(request.address)
    if number >= len(library.Picamera2.global_camera_info()):
        raise TransientError(f"{request.shown}: libcamera finds no such camera: is it plugged in?")
    try:
        camera = library.Picamera2(number)
    except RuntimeError:
        raise TransientError(f"{request.shown}: is in use by another program") from None
    lores = request.options.get("stream") == "lores"
    try:
        size = _size(camera, request.width)
        _configure(camera, size, lores, request)
        camera.start()
        while True:
            pixels = camera.capture_array("lores" if lores else "main")
            yield partial(_pixels, pixels, size, lores)
    finally:
        camera.close()


def _library(shown: str) -> Any:
    try:
        return importlib.import_module("picamera2")
    except ImportError:
        raise not_so(
            shown, "needs picamera2: sudo apt install python3-picamera2 (a Raspberry Pi has it)"
        ) from None


def _size(camera: Any, width: int) -> tuple[int, int]:
    """As wide as asked, in the sensor's shape; both even, as 4:2:0 needs."""
    columns, rows = camera.sensor_resolution
    width = min(width or WIDTH, columns)
    return width // 2 * 2, round(width * rows / columns / 2) * 2


def _configure(camera: Any, size: tuple[int, int], lores: bool, request: Request) -> None:
    options = request.options
    streams: dict[str, Any] = {"main": {"size": size, "format": "RGB888"}}
    if lores:
        streams["lores"] = {"size": size, "format": "YUV420"}
    half_turn = options.get("rotation") == 180
    if half_turn:
        transform = importlib.import_module("libcamera").Transform
        streams["transform"] = transform(hflip=True, vflip=True)
    try:
        camera.configure(
            camera.create_video_configuration(**streams, controls=_controls(camera, request))
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise not_so(
            request.shown, f"the camera refuses its settings: {hidden(str(error))}"
        ) from None


def _controls(camera: Any, request: Request) -> dict[str, Any]:
    """libcamera's controls; those a camera does not have are refused by name."""
    options = request.options
    asked: dict[str, Any] = {}
    if request.fps:
        micros = round(1e6 / request.fps)
        asked["FrameDurationLimits"] = (micros, micros)
    if options.get("exposure_us"):
        asked["ExposureTime"] = options["exposure_us"]
    if options.get("gain"):
        asked["AnalogueGain"] = options["gain"]
    if options.get("hdr"):
        asked["HdrMode"] = 1
    if "AfMode" in camera.camera_controls:
        focus = options.get("focus_m", 0.0)
        asked |= {"AfMode": 0, "LensPosition": 1 / focus} if focus else {"AfMode": 2}
    missing = [name for name in asked if name not in camera.camera_controls]
    if missing:
        raise not_so(request.shown, f"this camera has no control {', '.join(missing)}")
    return asked


def _pixels(pixels: Image, size: tuple[int, int], lores: bool) -> tuple[Image, Layout]:
    """Without the bytes that pad each row."""
    width, height = size
    if not lores:
        return np.ascontiguousarray(pixels[:height, :width, :3]), "bgr"
    if pixels.shape[1] == width:
        return pixels, "i420"
    planes = pixels.reshape(height * 3 // 2, -1)
    luma = planes[:height, :width]
    stride = planes.shape[1]
    chroma = planes[height:].reshape(-1, stride // 2)[:, : width // 2]
    return np.concatenate([luma, chroma.reshape(height // 2, width)]), "i420"
