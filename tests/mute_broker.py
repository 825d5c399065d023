"""A broker that accepts connections and messages, answers pings, and acknowledges nothing."""

import socket
from threading import Thread
from typing import Self

CONNACK_5 = bytes([0x20, 3, 0, 0, 0])
PINGRESP = bytes([0xD0, 0])


class MuteBroker:
    """MQTT 5, as far as a client's patience needs it."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self.topics: list[str] = []

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, line.makefile("rb") as stream:
            while head := stream.read(1):
                length = shift = 0
                while True:
                    byte = stream.read(1)[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                body = stream.read(length)
                match head[0] >> 4:
                    case 1:  # CONNECT
                        line.sendall(CONNACK_5)
                    case 3:  # PUBLISH
                        self.topics.append(body[2 : 2 + int.from_bytes(body[:2])].decode())
                    case 12:  # PINGREQ
                        line.sendall(PINGRESP)
