"""multipart/x-mixed-replace as cameras send it -> its bodies, as a browser would find them."""

from collections.abc import Iterator
from typing import Protocol

from edge.errors import TransientError

LARGEST_BYTES = 50_000_000
"""Of one picture."""
CHUNK = 65_536
SOI, EOI = b"\xff\xd8\xff", b"\xff\xd9"
"""Where a JPEG begins and ends (ITU-T T.81, table B.1)."""
TAIL = 2048
"""Where an EOI is looked for: cameras pad their pictures."""
HEADERS = 64
"""Lines of a part's header at most."""


class Stream(Protocol):
    """What is read."""

    def read1(self, size: int, /) -> bytes:
        """At most so many bytes, as soon as there are some; none at the end."""


def parts(stream: Stream, boundary: object) -> Iterator[bytes]:
    """Each body as soon as it is whole; empty ones too.

    RFC 2046, section 5.1, and what cameras make of it: dashes that are part of the boundary or not,
    none or another one in the header, lengths that are wrong, lone line feeds. Content-Length
    decides where a JPEG ends there; the next boundary in all other cases.

    Raises TransientError for a part over LARGEST_BYTES.
    """
    buffer = _Buffer(stream)
    marker = _first(buffer, str(boundary or "").strip('"').encode("latin-1", "replace"))
    while marker:
        length, kind = _headers(buffer)
        if length is not None and length > LARGEST_BYTES:
            raise TransientError(f"a picture of {length} bytes is too large")
        body = _body(buffer, marker, length)
        if body is None:
            return
        if kind.startswith(b"image/") or not kind or SOI in body[:TAIL]:
            yield body
        if not buffer.skip(marker):
            return


class _Buffer:
    """What has come and is not used yet."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.data = bytearray()

    def more(self) -> bool:
        """Wait for more; False at the end."""
        came = self._stream.read1(CHUNK)
        self.data += came
        return bool(came)

    def line(self) -> bytes | None:
        """The next one, without its end; None at the end."""
        while (at := self.data.find(b"\n")) < 0:
            if len(self.data) >= CHUNK or not self.more():
                return None
        line = bytes(self.data[:at])
        del self.data[: at + 1]
        return line.removesuffix(b"\r")

    def find(self, marker: bytes, start: int = 0) -> int:
        """Where it is; -1 where the stream ends without it."""
        while (at := self.data.find(marker, start)) < 0:
            start = max(start, len(self.data) - len(marker))
            if len(self.data) > LARGEST_BYTES:
                raise TransientError(f"a picture of over {LARGEST_BYTES} bytes is too large")
            if not self.more():
                return -1
        return at

    def skip(self, marker: bytes) -> bool:
        """To the line after the next marker; False where there is none."""
        at = self.find(marker)
        del self.data[: max(at, 0)]
        return at >= 0 and self.line() is not None


def _first(buffer: _Buffer, named: bytes) -> bytes:
    """Go past the first boundary -> as it is in the stream, whatever the header says."""
    name = named.lstrip(b"-")
    while len(buffer.data.strip()) < 2 and buffer.more():
        pass
    buffer.data = buffer.data.lstrip()
    if not buffer.data.startswith(b"--"):
        return b"--" + name if name and buffer.skip(b"--" + name) else b""
    line = (buffer.line() or b"").strip()
    return b"--" + name if name and name in line else line if line.strip(b"-") else b"\n--"


def _headers(buffer: _Buffer) -> tuple[int | None, bytes]:
    """Content-Length where there is one, and Content-Type."""
    length, kind = None, b""
    for _ in range(HEADERS):
        if buffer.data.startswith(SOI[:2]) or not (line := buffer.line()):
            break
        name, _, value = line.partition(b":")
        match name.strip().lower(), value.strip():
            case b"content-length", digits if digits.isdigit():
                length = int(digits)
            case b"content-type", text:
                kind = text.lower()
    return length, kind


def _body(buffer: _Buffer, marker: bytes, length: int | None) -> bytes | None:
    """None where the stream ends before the body does."""
    if length:
        while len(buffer.data) < length and buffer.data.find(marker) < 0 and buffer.more():
            pass
        body = bytes(buffer.data[:length])
        unlike = body.startswith(SOI) and EOI not in body[-TAIL:]
        if len(body) == length and not unlike and _ends(buffer, marker, length):
            del buffer.data[:length]
            return body
    at = buffer.find(marker)
    if at < 0:
        whole = EOI in buffer.data[-TAIL:] if length is None else len(buffer.data) >= length
        return bytes(buffer.data[:length]) if whole else None
    body = bytes(buffer.data[:at])
    del buffer.data[:at]
    return _unbroken(body.rstrip(b"-"))


def _ends(buffer: _Buffer, marker: bytes, length: int) -> bool:
    """Whether the length may be right, by what has come after it until now."""
    if marker in buffer.data[:length]:
        return False
    after = bytes(buffer.data[length : length + len(marker) + 4])
    rest = after.lstrip(b"\r\n").lstrip(b"-")
    return marker.lstrip(b"\n-").startswith(rest[: len(marker)]) or marker.lstrip(b"-") in after


def _unbroken(body: bytes) -> bytes:
    """Without the line end that belongs to the boundary, as the dashes before it do."""
    return body.removesuffix(b"\n").removesuffix(b"\r") if body.endswith(b"\n") else body


def mended(data: bytes) -> tuple[bytes, bool]:
    """A JPEG without what is before it and with an end, and whether it had one."""
    at = data.find(SOI, 0, TAIL * 2)
    before = data[: max(at, 0)]
    if before.isascii() and not before.startswith((b"RIFF", b"II*", b"MM", b"BM", b"GIF")):
        data = data[len(before) :]
    if data.startswith(SOI) and EOI not in data[-TAIL:]:
        return data + EOI, False
    return data, True
