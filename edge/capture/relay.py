"""What FFmpeg cannot do with an RTSP server: look at its certificate, and say why it is refused.

rtsps:// becomes rtsp:// on loopback, and we speak TLS.
"""

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Thread

from edge.address import Address
from edge.capture import tls
from edge.capture.login import Challenge, challenges
from edge.capture.trouble import locked_out, not_so
from edge.capture.wire import Request
from edge.errors import TransientError
from edge.text import shown

PORTS = {"rtsp": 554, "rtsps": 322}
HEAD = 16_384
"""Bytes of an answer's head at most."""
CHUNK = 65_536
STUCK_S = 10.0
"""How long one side may take nothing."""


@contextmanager
def relayed(address: Address, request: Request) -> Iterator[Address]:
    """An address for one connection, which ends at the camera that is trusted.

    Raises TransientError before anything is sent to another one.
    """
    with (
        tls.connect(_where(address), request.trust, request.timeout_s) as camera,
        socket.create_server(("127.0.0.1", 0), backlog=1) as door,
    ):
        door.settimeout(request.timeout_s)
        Thread(target=_serve, args=(door, camera), name="relay", daemon=True).start()
        yield replace(address, scheme="rtsp", host="127.0.0.1", port=door.getsockname()[1])


def refused(address: Address, request: Request) -> TransientError:
    """Why a server takes nobody: for what it asks, or who we say we are."""
    try:
        found = challenges(_asked_for(address, request))
    except (OSError, TransientError):
        found = []
    if not found or any(one.scheme == "basic" or _is_plain(one) for one in found):
        return locked_out(request.shown)
    asks = ", ".join(f"{one.scheme} {one.values.get('algorithm', one.qop)}" for one in found)
    return not_so(
        request.shown,
        f"asks for a log-in that is not supported over RTSP ({shown(asks, 60)}): "
        "set it to Digest with MD5",
    )


def _is_plain(one: Challenge) -> bool:
    """Whether FFmpeg understands it."""
    return one.scheme == "digest" and one.hash == "md5" and one.qop != "auth-int"


def _asked_for(address: Address, request: Request) -> list[str]:
    """The challenges of a DESCRIBE that says nothing of us. Raises OSError, TransientError."""
    where, limit_s = _where(address), request.timeout_s
    if address.scheme == "rtsps":
        opened: socket.socket = tls.connect(where, request.trust, limit_s)
    else:
        opened = socket.create_connection(where, limit_s)
    with opened:
        opened.sendall(f"DESCRIBE {address.bare} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD and (came := opened.recv(HEAD)):
            head += came
    lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return [value for name, _, value in pairs if name.strip().lower() == "www-authenticate"]


def _where(address: Address) -> tuple[str, int]:
    return address.host.strip("[]"), address.port or PORTS[address.scheme]


def _serve(door: socket.socket, camera: ssl.SSLSocket) -> None:
    with suppress(OSError, ValueError):  # closed meanwhile; FFmpeg notices by itself
        reader, _ = door.accept()
        door.close()
        with reader:
            pump(camera, reader)


def pump(safe: ssl.SSLSocket, plain: socket.socket) -> None:
    """Both ways, until one side ends it: one thread, as OpenSSL wants it. Raises OSError."""
    while True:
        ready = [safe] if safe.pending() else select.select([safe, plain], [], [])[0]
        for one, other in ((safe, plain), (plain, safe)):
            if one not in ready:
                continue
            one.settimeout(0)
            try:
                data = one.recv(CHUNK)
            except (ssl.SSLWantReadError, BlockingIOError):
                continue  # TLS had something to say for itself
            if not data:
                return
            other.settimeout(STUCK_S)
            other.sendall(data)
