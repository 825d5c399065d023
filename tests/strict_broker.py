"""A broker on a real socket that does what brokers rarely do: counts, denies, floods, hangs up."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Self

NOT_AUTHORIZED = 0x87
FAILURE = 0x80


class StrictBroker:
    """MQTT 5 or 3.1.1, one thread a connection, nothing passed on to anybody."""

    def __init__(
        self, receive_maximum: int = 0, denies: Callable[[str], bool] | None = None
    ) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self.denies = denies or (lambda _: False)
        self.hangs_up = False
        """Whether a denied message ends the connection: with 3.1.1 a broker may."""
        self.flood = 0
        """Bytes of a message that comes with every subscription to commands."""
        self.flooded = 0
        self.most_unacknowledged = 0
        self.connects: list[bytes] = []
        self.published: list[tuple[str, bytes]] = []
        self.subscribed: list[str] = []
        self.lines: list[socket.socket] = []
        self._room = receive_maximum
        self._five = True

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End every connection."""
        while self.lines:
            line = self.lines.pop()
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            self.lines.append(line)
            Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        """Acknowledgements are held back until nothing more comes."""
        line.settimeout(0.02)
        owed: list[bytes] = []
        buffer = b""
        with line, suppress(OSError):
            while True:
                try:
                    data = line.recv(65536)
                except TimeoutError:
                    self.most_unacknowledged = max(self.most_unacknowledged, len(owed))
                    line.sendall(b"".join(owed))
                    owed.clear()
                    continue
                if not data:
                    return
                buffer += data
                while (found := _packet(buffer)) is not None:
                    head, body, buffer = found
                    self._take(line, head, body, owed)

    def _take(self, line: socket.socket, head: int, body: bytes, owed: list[bytes]) -> None:
        match head >> 4:
            case 1:
                self.connects.append(body)
                self._five = body[6] == 5
                room = b"\x21" + self._room.to_bytes(2, "big") if self._room else b""
                props = bytes([len(room)]) + room if self._five else b""
                line.sendall(bytes([0x20, 2 + len(props), 0, 0]) + props)
            case 3:
                self._published(line, head, body, owed)
            case 8:
                self._subscribed(line, body)
            case 12:
                line.sendall(b"\xd0\x00")

    def _published(self, line: socket.socket, head: int, body: bytes, owed: list[bytes]) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:end].decode()
        denied = self.denies(topic)
        if denied and self.hangs_up:
            line.sendall(b"".join(owed))
            raise ConnectionAbortedError
        if (head >> 1) & 3:
            number, end = body[end : end + 2], end + 2
            reason = bytes([NOT_AUTHORIZED]) if denied and self._five else b""
            owed.append(bytes([0x40, 2 + len(reason)]) + number + reason)
        if not denied:
            self.published.append((topic, body[end + self._five :]))

    def _subscribed(self, line: socket.socket, body: bytes) -> None:
        at = 2 + self._five
        reasons = []
        commands = False
        while at < len(body):
            end = at + 2 + int.from_bytes(body[at : at + 2], "big")
            topics = body[at + 2 : end].decode()
            self.subscribed.append(topics)
            commands = commands or "command" in topics
            refusal = NOT_AUTHORIZED if self._five else FAILURE
            reasons.append(refusal if self.denies(topics) else 1)
            at = end + 1
        answer = body[:2] + (b"\x00" if self._five else b"") + bytes(reasons)
        line.sendall(bytes([0x90, len(answer)]) + answer)
        if commands and self.flood:
            self._send_flood(line)

    def _send_flood(self, line: socket.socket) -> None:
        topic = b"hedgerow/field/command/pause"
        line.settimeout(5)
        start = len(topic).to_bytes(2, "big") + topic + (b"\x00" if self._five else b"")
        left = self.flood
        line.sendall(b"\x30" + _length(left) + start)
        left -= len(start)
        while left > 0:
            self.flooded += line.send(b"x" * min(left, 65536))
            left -= 65536


def _length(number: int) -> bytes:
    made = b""
    while True:
        number, low = number >> 7, number & 0x7F
        made += bytes([low | (0x80 if number else 0)])
        if not number:
            return made


def _packet(buffer: bytes) -> tuple[int, bytes, bytes] | None:
    """Head, body and rest of the first packet that is whole."""
    length = 0
    for place in range(1, min(5, len(buffer))):
        length |= (buffer[place] & 0x7F) << (7 * (place - 1))
        if buffer[place] < 0x80:
            end = place + 1 + length
            whole = len(buffer) >= end
            return (buffer[0], buffer[place + 1 : end], buffer[end:]) if whole else None
    return None


def until(fits: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait for it."""
    end_s = time.monotonic() + within_s
    while not fits():
        assert time.monotonic() < end_s
        time.sleep(0.01)
