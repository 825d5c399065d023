"""HTTP cameras -> frames: an endless multipart of JPEGs (MJPEG), or a still picture polled."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

from edge.capture.jpeg import from_jpeg
from edge.capture.trouble import in_words, locked_out
from edge.capture.wire import Picture, Request
from edge.errors import TransientError

POLL_S = 1.0
"""Between two stills, where no fps is set."""
LARGEST_BYTES = 50_000_000
"""Of one picture."""
CHUNK = 65_536


def web(request: Request) -> Iterator[Picture]:
    """Raises TransientError with what to do; never with the address, which may hold a password."""
    opener, url = _opener(request.address)
    try:
        while True:
            began_s = time.monotonic()
            with opener.open(url, timeout=request.timeout_s) as answer:
                if answer.headers.get_content_maintype() == "multipart":
                    for data in parts(answer, answer.headers.get_param("boundary")):
                        yield partial(from_jpeg, data, request)
                    raise TransientError(f"{request.shown}: the server has ended the stream")
                yield partial(from_jpeg, _whole(answer, request), request)
            pause_s = 1.0 / request.fps if request.fps else POLL_S
            time.sleep(max(0.0, began_s + pause_s - time.monotonic()))
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error, request.shown) from None
    except TimeoutError:
        raise TransientError(
            f"{request.shown}: has sent nothing for {request.timeout_s:g} s"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise TransientError(f"{request.shown}: does not answer") from None
        raise TransientError(f"{request.shown}: {in_words(reason)}") from None


def parts(stream: BinaryIO, boundary: object) -> Iterator[bytes]:
    """The bodies of multipart/x-mixed-replace, by Content-Length or up to the next boundary.

    RFC 2046, section 5.1; cameras differ in whether the dashes are part of the boundary they name.
    Raises TransientError for a part over LARGEST_BYTES.
    """
    marker = b"--" + str(boundary or "").strip('"').encode("latin-1", "replace").lstrip(b"-")
    while True:
        line = stream.readline(CHUNK)
        if not line:
            return
        if not line.strip().startswith(marker.rstrip(b"-") or b"--"):
            continue
        length = None
        while header := stream.readline(CHUNK).strip():
            name, _, value = header.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        if length is None:
            yield from _up_to(stream, marker)
            return
        if length > LARGEST_BYTES:
            raise TransientError(f"a picture of {length} bytes is too large")
        data = stream.read(length)
        if len(data) < length:
            return
        yield data


def _up_to(stream: BinaryIO, marker: bytes) -> Iterator[bytes]:
    """Bodies of a server that tells no lengths."""
    body = b""
    while line := stream.readline(CHUNK):
        if line.startswith(marker):
            yield body.removesuffix(b"\r\n")
            body = b""
            while stream.readline(CHUNK).strip():
                pass
        elif len(body) > LARGEST_BYTES:
            raise TransientError(f"a picture of over {LARGEST_BYTES} bytes is too large")
        else:
            body += line


def _opener(address: str) -> tuple[urllib.request.OpenerDirector, str]:
    """The URL without credentials, and an opener that has them: Basic and Digest, no proxy, no
    other scheme, whatever a redirection says."""
    url = urlsplit(address)
    bare = urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if url.username is not None:
        known.add_password(None, bare, unquote(url.username), unquote(url.password or ""))
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPBasicAuthHandler(known),
        urllib.request.HTTPDigestAuthHandler(known),
    ):
        director.add_handler(handler)
    return director, bare


def _refused(error: urllib.error.HTTPError, shown: str) -> TransientError:
    if error.code in (401, 403):
        return locked_out(shown)
    return TransientError(f"{shown}: answers with HTTP status {error.code}")


def _whole(answer: http.client.HTTPResponse, request: Request) -> bytes:
    data = answer.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise TransientError(f"{request.shown}: a picture of over {LARGEST_BYTES} bytes")
    return data
