"""[mqtt] of edge.toml -> where the broker is, and what it takes to be let in."""

import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge import text
from edge.config import MqttConfig
from edge.errors import FatalError
from edge.files import withheld

PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
CREDENTIAL = "mqtt-password"
"""The name of the systemd credential that is used where password_file is not set."""

SERVICE_PASSWORD = Path("/etc/hedgerow/mqtt-password")
"""Where systemd takes that credential from."""

LONGEST_PASSWORD = 65_535
"""Bytes: what MQTT can send."""
UNANSWERED = 3
"""So many connections closed without an answer: perhaps it speaks no MQTT 5."""
TOO_LARGE = (129, 130, 149)
"""How connections end whose broker will not take a message: mosquitto's PUBACK for one over its
message_size_limit is malformed, and paho ends the connection for it."""
UNSUPPORTED_VERSION = 132
NO_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
"""TLS 1.3: only after the handshake the broker says that it wanted to know who we are."""
CERTIFICATE = "it asks for a client certificate: give mqtt.cert_file and mqtt.key_file"
TAKEN_OVER = 142
"""How a connection ends when another one has the same client id."""
REFUSALS = {
    UNSUPPORTED_VERSION: 'it speaks no MQTT 5: set mqtt.protocol = "3.1.1"',
    133: "it refuses the client id",
    134: "it refuses the user name or password",
    135: "it refuses the user name or password",
    138: "it has banned this client",
}
"""CONNACK reason codes that no retry mends: MQTT 5.0, section 3.2.2.2."""


@dataclass(frozen=True, slots=True)
class Address:
    """A broker's address without secrets."""

    scheme: str
    host: str
    port: int
    path: str = "/mqtt"
    """Of a WebSocket."""

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("mqtts", "wss")

    @property
    def websocket(self) -> bool:
        """Whether MQTT travels in a WebSocket."""
        return self.scheme in ("ws", "wss")

    def __str__(self) -> str:
        path = self.path if self.websocket else ""
        return f"{self.scheme}://{self.host}:{self.port}{path}"


def address(broker: str) -> Address:
    """`mqtt://HOST:PORT`, mqtts, ws, wss or `embedded:PORT` -> where to connect."""
    if broker.startswith("embedded"):
        return Address("mqtt", "127.0.0.1", int(broker.partition(":")[2] or 1883))
    parts = urlsplit(broker)
    port = parts.port or PORTS[parts.scheme]
    return Address(parts.scheme, parts.hostname or "127.0.0.1", port, parts.path or "/mqtt")


def password(config: MqttConfig) -> str | None:
    """From password_file, else from systemd's credential. Raises FatalError naming the file."""
    path = config.password_file
    if path is None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            return None
        path = Path(folder) / CREDENTIAL
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, for ever
            raise FatalError(f"mqtt.password_file: {path}: is no ordinary file")
        found = text.read(path).rstrip("\n")
    except OSError as error:
        if config.password_file is None and isinstance(error, FileNotFoundError):
            return None
        told = path if "/" in str(path) else "expected the path of a file"  # not the password
        why = withheld(path) or error.strerror
        raise FatalError(f"mqtt.password_file: {told}: {why}") from None
    if len(found.encode()) > LONGEST_PASSWORD:
        raise FatalError(
            f"mqtt.password_file: {path}: is too long for a password: it must hold nothing else"
        )
    return found


def missing_password(config: MqttConfig) -> str | None:
    """What to do if a user name has no password; None: it has one, or needs none."""
    known = (_service_has_one(), config.cert_file is not None)
    if not config.username or any(known) or config.broker.startswith("embedded"):
        return None
    try:
        if password(config):
            return None
    except FatalError:
        return None  # who connects says it
    where = config.password_file or SERVICE_PASSWORD
    key = "" if config.password_file else " (the service's), or set mqtt.password_file"
    return f"mqtt.username = {config.username!r} has no password: write it into {where}{key}"


def _service_has_one() -> bool:
    """Who may not read that file still sees its size: the installer makes an empty one."""
    try:
        return SERVICE_PASSWORD.stat().st_size > 1
    except OSError:
        return False


def no_delay(line: Any) -> None:
    """A small message goes at once: Nagle's algorithm would hold an event back for 40 ms."""
    with suppress(OSError, AttributeError):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def tls(config: MqttConfig) -> ssl.SSLContext:
    """Who is trusted, and who we are. Raises FatalError naming the key and the file."""
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise FatalError(f"mqtt.ca_file: {config.ca_file}: {_reason(error)}") from None
    if config.cert_file is not None:
        try:
            context.load_cert_chain(config.cert_file, config.key_file, password=_no_passphrase)
        except (OSError, ssl.SSLError, ValueError) as error:
            files = " and ".join(str(f) for f in (config.cert_file, config.key_file) if f)
            raise FatalError(f"mqtt.cert_file: {files}: {_reason(error)}") from None
    return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase: store it without one, readable by the service only")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"is not what TLS needs: {error.reason or error}"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
