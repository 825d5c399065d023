"""An address, a size and a SHA-256 -> exactly those bytes in a file, resumed where it was cut."""

import hashlib
import re
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from io import FileIO
from typing import Any
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from edge.catalog.entries import Remote
from edge.errors import FatalError, TransientError

ATTEMPTS = 5
PAUSE_S = 1.0
SILENCE_S = 30.0
"""No byte for so long: the connection counts as cut."""
CHUNK = 1 << 16

Advance = Callable[[int], None]
"""Told how many bytes are there."""


class _CutError(Exception):
    """The connection ended before the file did."""


def download(remote: Remote, address: str, part: FileIO, advance: Advance) -> None:
    """Fill `part` with `remote`'s bytes from `address`; what it holds already is kept.

    Raises FatalError where the address has another file, TransientError where the network or the
    disk gives up: then `part` holds what has come.
    """
    resumed = part.seek(0, 2) > 0
    _complete(remote, address, part, advance)
    if resumed and _sha256(part) != remote.sha256:  # what was there may have been damaged
        part.truncate(0)
        _complete(remote, address, part, advance)
    found = _sha256(part)
    if found != remote.sha256:
        part.truncate(0)
        raise FatalError(
            f"{address}: is another file: its SHA-256 is {found[:12]}…, the catalogue says "
            f"{remote.sha256[:12]}…; nothing was kept"
        )


def _complete(remote: Remote, address: str, part: FileIO, advance: Advance) -> None:
    opener = _opener(address)
    for attempt in range(ATTEMPTS):
        have = part.seek(0, 2)
        if have > remote.bytes:
            have = part.truncate(0)
        if have == remote.bytes:
            return
        try:
            _receive(opener, remote, address, part, advance)
        except _CutError as cut:
            reason = cut
            if attempt + 1 < ATTEMPTS:
                time.sleep(PAUSE_S)
    have = part.seek(0, 2)
    if have < remote.bytes:
        raise TransientError(
            f"{address}: cut at {have} of {remote.bytes} bytes: {reason}; the same command goes on "
            "from there"
        )


def _receive(
    opener: request.OpenerDirector, remote: Remote, address: str, part: FileIO, advance: Advance
) -> None:
    have = part.seek(0, 2)
    with _open(opener, address, have, part) as answer:
        part.seek(_start(answer, have, remote, address))
        part.truncate()
        _copy(answer, remote, part, advance)


def _open(opener: request.OpenerDirector, address: str, have: int, part: FileIO) -> HTTPResponse:
    headers = {"User-Agent": "hedgerow", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        asked = request.Request(address, headers=headers)  # noqa: S310  the opener knows HTTP alone
        answer: HTTPResponse = opener.open(asked, timeout=SILENCE_S)
    except HTTPError as error:
        raise _refusal(error, address, part) from None
    except URLError as error:
        raise TransientError(f"{address}: cannot be reached: {_words(error.reason)}") from None
    except (HTTPException, OSError) as error:
        raise _CutError(_words(error)) from None
    return answer


def _start(answer: HTTPResponse, have: int, remote: Remote, address: str) -> int:
    """The offset that the answer begins at. Raises FatalError where the file has another size."""
    start, size = 0, answer.headers.get("Content-Length", "")
    if answer.status == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if place is None or int(place[1]) != have:
            raise FatalError(f"{address}: answers with another part of the file than was asked for")
        start, size = have, place[2]
    if size.isdecimal() and int(size) != remote.bytes:
        raise FatalError(
            f"{address}: is another file: it has {int(size)} bytes, the catalogue says "
            f"{remote.bytes}; nothing was kept"
        )
    return start


def _copy(answer: HTTPResponse, remote: Remote, part: FileIO, advance: Advance) -> None:
    """Never more than the catalogue's size, whatever the server sends."""
    have = part.tell()
    while have < remote.bytes:
        advance(have)
        try:
            chunk = answer.read1(min(CHUNK, remote.bytes - have))
        except (HTTPException, OSError) as error:
            raise _CutError(_words(error)) from None
        if not chunk:
            raise _CutError("the server ended the connection")
        view = memoryview(chunk)
        while view:
            view = view[part.write(view) :]
        have += len(chunk)
    advance(have)


def _refusal(error: HTTPError, address: str, part: FileIO) -> Exception:
    error.close()
    if error.code == 416:
        part.truncate(0)
        return _CutError("the server does not know that part")
    if 300 <= error.code < 400:
        return FatalError(f"{address}: redirects too often, or without saying where to")
    kind = FatalError if error.code < 500 and error.code != 429 else TransientError
    return kind(f"{address}: the server answers {error.code} {error.reason}")


class _Redirects(request.HTTPRedirectHandler):
    """What began with https stays with it."""

    max_redirections = 5

    def __init__(self, address: str) -> None:
        self._address = address
        self._schemes = ("https",) if urlsplit(address).scheme == "https" else ("http", "https")

    def redirect_request(self, req: Any, *answer: Any) -> request.Request | None:
        """The next request. Raises FatalError where it would leave https."""
        target = str(answer[-1])
        if urlsplit(target).scheme not in self._schemes:
            raise FatalError(f"{self._address}: redirects to {target}, which is not https; refused")
        return super().redirect_request(req, *answer)


def _opener(address: str) -> request.OpenerDirector:
    """HTTP and HTTPS, with the environment's proxies; no ftp:, no file:."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        _Redirects(address),
    ):
        opener.add_handler(handler)
    return opener


def _words(reason: object) -> str:
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__


def _sha256(part: FileIO) -> str:
    part.seek(0)
    return hashlib.file_digest(part, "sha256").hexdigest()
