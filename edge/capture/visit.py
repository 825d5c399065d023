"""An address -> the server's answer: log-in, redirections, TLS and compression are seen to."""

import http.client
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

from edge.address import Address, read
from edge.capture import tls
from edge.capture.login import Login
from edge.capture.multipart import Stream
from edge.capture.trouble import locked_out
from edge.capture.wire import Request
from edge.errors import TransientError
from edge.text import shown

TRIES = 10
"""Requests for one picture at most: redirections, and the questions of a log-in."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """A page, as it comes."""

    stream: Stream
    sized: bool
    """Whether the server has said how long it is."""
    multipart: bool
    boundary: object


class Visitor:
    """Asks for one address again and again, and remembers how to log in."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._start = read(request.address)
        self._login = Login(self._start.user, self._start.password)

    @contextmanager
    def visit(self) -> Iterator[Answer]:
        """Raises TransientError with what to do, and what http.client and sockets raise."""
        address = self._start
        for _ in range(TRIES):
            with (
                closing(self._connection(address)) as connection,
                closing(self._get(connection, address)) as answer,
            ):
                if answer.status == 200:
                    yield _answer(answer, self._request.shown)
                    return
                address = self._next(answer, address)
        raise TransientError(f"{self._request.shown}: redirects in a circle")

    def _connection(self, address: Address) -> http.client.HTTPConnection:
        """No proxy, whatever the environment says: a camera is on this network."""
        port = address.port or PORTS[address.scheme]
        limit_s = self._request.timeout_s
        connection = http.client.HTTPConnection(address.host, port, timeout=limit_s)
        if address.scheme == "https":
            connection.default_port = PORTS["https"]
            connection.sock = tls.connect((connection.host, port), self._request.trust, limit_s)
        return connection

    def _get(
        self, connection: http.client.HTTPConnection, address: Address
    ) -> http.client.HTTPResponse:
        target = address.target if address.target.startswith("/") else f"/{address.target}"
        connection.putrequest("GET", target, skip_accept_encoding=True)
        connection.putheader("Accept", "*/*")
        connection.putheader("User-Agent", "hedgerow")
        said = self._login.answer(target) if self._is_home(address) else None
        if said is not None:
            connection.putheader("Authorization", said)
        connection.endheaders()
        return connection.getresponse()

    def _is_home(self, address: Address) -> bool:
        """Whether the password is for this server, and no easier to overhear than asked for."""
        downgraded = self._start.scheme == "https" and address.scheme == "http"
        return address.host == self._start.host and not downgraded

    def _next(self, answer: http.client.HTTPResponse, address: Address) -> Address:
        """Where to ask now. Raises TransientError where that makes no sense."""
        name = self._request.shown
        if answer.status == 401 and self._is_home(address):
            why = self._login.asked(answer.headers.get_all("WWW-Authenticate") or [])
            if why is None:
                return address
            raise TransientError(f"{name}: {why}", 60.0) if why else locked_out(name)
        if answer.status in (401, 403):
            raise locked_out(name)
        if 300 <= answer.status < 400 and (place := answer.headers.get("Location")):
            moved = _moved(address.bare, place.strip())
            if moved is not None:
                return moved
        raise TransientError(f"{name}: answers with HTTP status {answer.status}")


def _moved(base: str, place: str) -> Address | None:
    """Where a redirection goes; None: nowhere that can be asked."""
    try:
        moved = read(urljoin(base, place))
    except ValueError:
        return None
    return moved if moved.scheme in PORTS and moved.host else None


def _answer(answer: http.client.HTTPResponse, name: str) -> Answer:
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise TransientError(f"{name}: sends its pictures packed as {shown(coding, 20)!r}")
    plain = coding in ("identity", "")
    multipart = answer.headers.get_content_maintype() == "multipart"
    stream = answer if plain else _Unpacked(answer)
    boundary = answer.headers.get_param("boundary")
    return Answer(stream, answer.length is not None, multipart, boundary)


class _Unpacked:
    """gzip or zlib, unpacked as it comes and never more than is asked for."""

    def __init__(self, packed: Stream) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def read1(self, size: int, /) -> bytes:
        """Raises TransientError for what is damaged."""
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._packed.read1(size)
            try:
                plain = self._inflate.decompress(data, size)
            except zlib.error:
                raise TransientError("sends gzip that is damaged") from None
            if plain or not data:
                return plain
        return b""
