"""A TCP proxy on loopback that resets its connections or swallows what comes: bad networks."""

import select
import socket
import struct
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Self


class Proxy:
    """`with Proxy(port) as proxy`: proxy.port leads to that port."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.address = f"mqtt://127.0.0.1:{self.port}"
        self.black_hole = Event()
        """While set, bytes are taken and never delivered, in both directions."""
        self.accepted = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = Lock()
        self._closed = False

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._server.close()
        self.reset()

    def reset(self) -> None:
        """Every connection ends with a TCP reset; what was under way is lost."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for line in pair:
                with suppress(OSError):  # the other end may have closed it already
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    line.shutdown(socket.SHUT_RDWR)
                line.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.append((near, far))
            Thread(target=self._pump, args=(near, far), daemon=True).start()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        try:
            while True:
                for line in select.select([near, far], [], [], 1.0)[0]:
                    data = line.recv(65536)
                    if not data:
                        raise OSError
                    if not self.black_hole.is_set():
                        other[line].sendall(data)
        except (OSError, ValueError):
            near.close()
            far.close()
