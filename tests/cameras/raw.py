"""A server of bytes on loopback: what a test wants said to each request, over TCP or TLS."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cameras.servers import jpeg, picture

Respond = Callable[[bytes], Iterator[bytes]]
"""A request's head -> what is sent, piece by piece, before the connection is closed."""


class Raw:
    """`with Raw(respond) as server:` keeps what it was sent in `heard`."""

    def __init__(self, respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[bytes] = []
        self._respond = respond
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.address = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> "Raw":
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._tls is None:
                    self._talk(connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as safe:
                        self._talk(safe)
            except OSError:
                pass

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while head := self._head(reader.readline):
                self.heard.append(head)
                for data in self._respond(head):
                    connection.sendall(data)
                if not head.split(b" ", 2)[2].startswith(b"RTSP/"):
                    return

    @staticmethod
    def _head(readline: Callable[[], bytes]) -> bytes:
        """A request up to its empty line; empty at the end of the connection."""
        lines = []
        while (line := readline()) not in (b"", b"\r\n"):
            lines.append(line)
        return b"".join(lines) if line else b""


def still(data: bytes | None = None, *headers: str) -> bytes:
    """An answer with one picture."""
    data = jpeg(picture(1)) if data is None else data
    head = "\r\n".join(("HTTP/1.1 200 OK", "Content-Type: image/jpeg", *headers))
    return f"{head}\r\n\r\n".encode() + data


def certificate(folder: Path, name: str = "cam") -> tuple[Path, ssl.SSLContext]:
    """A camera's own, and what its server says it with."""
    file, key = folder / f"{name}.pem", folder / f"{name}.key"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    subprocess.run(
        ["openssl", *made.split(), "-subj", f"/CN={name}", "-keyout", key, "-out", file],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context
