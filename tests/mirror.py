"""An HTTP server on loopback with real files that behaves as badly as it is told to."""

import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self


@dataclass
class Mirror:
    """Serves the files of `folder`; every request is noted."""

    folder: Path
    ranges: bool = True
    """Whether it knows Range."""
    cuts: list[int] = field(default_factory=list)
    """How many bytes the next answers have before the connection is cut; one for each answer."""
    stalls_at: int | None = None
    """After so many bytes it sends nothing more and keeps the connection."""
    claims: int | None = None
    """A Content-Length that is not true."""
    endless: bool = False
    """No Content-Length, and no end."""
    status: int = 200
    redirect: str = ""
    requests: list[str] = field(default_factory=list)
    """The Range of every request, "" without one."""
    certificate: Path | None = None
    """PEM with key and certificate: https instead of http."""

    @property
    def address(self) -> str:
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://localhost:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """One GET."""
        wanted = asked.headers.get("Range", "")
        self.requests.append(wanted)
        if self.redirect:
            asked.send_response(302)
            asked.send_header("Location", self.redirect + asked.path)
            asked.end_headers()
            return
        path = self.folder / asked.path.lstrip("/")
        if self.status != 200 or not path.is_file():
            asked.send_error(404 if self.status == 200 else self.status)
            return
        content = path.read_bytes()
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        asked.send_response(206 if start else 200)
        if start:
            asked.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if not self.endless:
            asked.send_header("Content-Length", str(self.claims or len(content) - start))
        asked.end_headers()
        with suppress(OSError):  # the client is gone
            self._send(asked, content[start:])

    def _send(self, asked: BaseHTTPRequestHandler, content: bytes) -> None:
        if self.cuts:
            asked.wfile.write(content[: self.cuts.pop(0)])
        elif self.stalls_at is not None:
            asked.wfile.write(content[: self.stalls_at])
            asked.wfile.flush()
            self.over.wait()
        elif self.endless:
            while not self.over.is_set():
                asked.wfile.write(content)
                time.sleep(0.001)
        else:
            asked.wfile.write(content)
