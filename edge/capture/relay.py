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
    """One connection, until either side ends it."""
    with suppress(OSError, ValueError):  # closed meanwhile; FFmpeg notices by itself
        reader, _ = door.accept()
        door.close()
        with reader:
            while True:
                ready = [camera] if camera.pending() else select.select([camera, reader], [], [])[0]
                for one, other in ((camera, reader), (reader, camera)):
                    if one in ready:
                        data = one.recv(CHUNK)
                        if not data:
                            return
                        other.sendall(data)
