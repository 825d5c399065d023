"""rtsps:// -> rtsp:// on loopback: FFmpeg looks at no certificate, so that we speak TLS for it."""

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Thread

from edge.address import Address
from edge.capture import tls
from edge.capture.wire import Request

PORT = 322
CHUNK = 65_536
STUCK_S = 10.0
"""How long one side may take nothing."""


@contextmanager
def relayed(address: Address, request: Request) -> Iterator[Address]:
    """An address for one connection, which ends at the camera that is trusted.

    Raises TransientError before anything is sent to another one.
    """
    where = (address.host.strip("[]"), address.port or PORT)
    with (
        tls.connect(where, request.trust, request.timeout_s) as camera,
        socket.create_server(("127.0.0.1", 0), backlog=1) as door,
    ):
        door.settimeout(request.timeout_s)
        Thread(target=_serve, args=(door, camera), name="relay", daemon=True).start()
        yield replace(address, scheme="rtsp", host="127.0.0.1", port=door.getsockname()[1])


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
