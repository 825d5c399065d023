"""HTTP cameras -> frames: an endless multipart of JPEGs (MJPEG), or a still picture polled."""

import http.client
import re
import time
from collections.abc import Generator, Iterator
from functools import partial

import numpy as np

from edge.capture.jpeg import from_jpeg
from edge.capture.multipart import CHUNK, EOI, LARGEST_BYTES, mended, parts
from edge.capture.trouble import in_words
from edge.capture.visit import Answer, Visitor
from edge.capture.wire import Layout, Picture, Request
from edge.errors import TransientError
from edge.types import Image

POLL_S = 1.0
"""Between two stills, where no fps is set."""
HTML = 200
"""Bytes in which a web page shows that it is one."""
NEXT = re.compile(rb"\xff\xd9[\r\n\0]{0,16}(\xff\xd8\xff)")
"""One JPEG's end and the next one's beginning."""
LONGEST_NEXT = 21
GREY = 128
"""What a JPEG decoder paints where the data end too early."""


def web(request: Request) -> Generator[Picture, None, None]:
    """Raises TransientError with what to do; never with the address, which may hold a password."""
    visitor = Visitor(request)
    answered = False
    try:
        while True:
            began_s = time.monotonic()
            with visitor.visit() as answer:
                answered = True
                for data in _pictures(answer, request):
                    yield partial(_pixels, data, request)
            pause_s = 1.0 / request.fps if request.fps else POLL_S
            time.sleep(max(0.0, began_s + pause_s - time.monotonic()))
    except TimeoutError:
        silent = f"has sent nothing for {request.timeout_s:g} s" if answered else "does not answer"
        raise TransientError(f"{request.shown}: {silent}") from None
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"{request.shown}: {_in_words(error)}") from None


def _in_words(error: Exception) -> str:
    """What http.client raises tells nobody what to do."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "ends the connection without an answer: are scheme and port right?"
    if isinstance(error, http.client.IncompleteRead):
        return "has ended the connection in the middle of a picture"
    if isinstance(error, http.client.HTTPException):
        return "gives an answer that is no HTTP: are scheme (http, https, rtsp) and port right?"
    return in_words(error)


def _pictures(answer: Answer, request: Request) -> Iterator[bytes]:
    """Of one visit. A stream that ends after one picture is a still, and asked for again."""
    if not answer.multipart:
        yield from _stills(answer, request)
        return
    count, last_s = 0, time.monotonic()
    for data in parts(answer.stream, answer.boundary):
        now_s = time.monotonic()
        if data.strip(b"\0\r\n"):
            count, last_s = count + 1, now_s
            yield data
        elif now_s - last_s > request.timeout_s:
            raise TransientError(f"{request.shown}: sends empty pictures")
    if count != 1:
        raise TransientError(f"{request.shown}: the server has ended the stream")


def _stills(answer: Answer, request: Request) -> Iterator[bytes]:
    """All there is: one picture, or one after another where the server tells no length.

    Where it says that there is more to come, what is there.
    """
    data = bytearray()
    try:
        while came := answer.stream.read1(CHUNK):
            new = max(0, len(data) - LONGEST_NEXT)
            data += came
            while not answer.sized and (found := NEXT.search(data, new)):
                yield bytes(data[: found.start(1)])
                del data[: found.start(1)]
                new = 0
            if len(data) > LARGEST_BYTES:
                raise TransientError(f"{request.shown}: a picture of over {LARGEST_BYTES} bytes")
    except TimeoutError:
        if EOI not in data:
            raise
    yield bytes(data)


def _pixels(data: bytes, request: Request) -> tuple[Image, Layout]:
    """Raises TransientError for what is no picture, or less than one."""
    if data[:HTML].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise TransientError(
            f"{request.shown}: sends a web page, not a picture: is the path right?"
        )
    data, ended = mended(data)
    image, layout = from_jpeg(data, request)
    if not ended and np.abs(image[-8:, -8:].astype(int) - GREY).max() <= 1:
        raise TransientError(f"{request.shown}: sends pictures that are cut off")
    return image, layout
