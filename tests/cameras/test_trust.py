"""Certificates of cameras: nobody gets a password before it is sure who that is."""

import base64
import hashlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.address import read
from edge.capture.relay import pump, relayed
from edge.capture.tls import connect, fingerprint
from edge.capture.wire import Request
from edge.config import SourceConfig
from edge.errors import FatalError, TransientError
from edge.sources import open_source
from edge.sources.ask import asked
from edge.sources.devices import Known
from tests.cameras.raw import Raw, certificate, still
from tests.cameras.servers import RtspServer
from tests.cameras.watch import Watched, source

AUTH = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="c"\r\n\r\n'


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A camera's own certificate."""
    return certificate(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody else's."""
    return certificate(tmp_path_factory.mktemp("other"))[0]


def sha256(file: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read_text())).hexdigest()


def guarded(head: bytes) -> Iterator[bytes]:
    yield still() if b"Authorization" in head else AUTH


def test_https_says_whose_certificate_it_is_and_what_to_set(
    camera: tuple[Path, ssl.SSLContext],
) -> None:
    with Raw(guarded, camera[1]) as server:
        address = server.address.replace("//", "//me:hunter2@")
        with Watched(source(f"{address}/snap.jpg")) as seen:
            said = seen.wait_for_error()
        assert f'set trust = "sha256:{sha256(camera[0])}"' in said
        assert "self-signed" in said and "hunter2" not in said
        assert server.heard == []
        with Watched(source(f"{address}/snap.jpg", trust=f"sha256:{sha256(camera[0])}")) as seen:
            seen.wait_for_frames(1)


def test_a_file_or_a_fingerprint_is_trusted_and_nothing_else(
    camera: tuple[Path, ssl.SSLContext], other: Path
) -> None:
    seen = sha256(camera[0])
    colons = ":".join(seen[at : at + 2] for at in range(0, 64, 2)).upper()
    with Raw(guarded, camera[1]) as server:
        where = ("127.0.0.1", server.port)
        for trust in (seen, f"sha256:{seen}", f"sha256 Fingerprint={colons}", str(camera[0])):
            connect(where, trust, 5).close()
        for trust, why in (
            (sha256(other), f"another certificate than trust says: sha256:{seen}"),
            (str(other), "not trusted"),
            ("", "not trusted"),
            ("/nowhere.pem", "trust: /nowhere.pem: cannot be read: no such file"),
            (__file__, "holds no certificate"),
        ):
            with pytest.raises(TransientError, match=why):
                connect(where, trust, 5)


def test_an_authority_that_signed_it_needs_the_right_name(tmp_path: Path) -> None:
    authority, _ = certificate(tmp_path, "authority")
    made = (
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -x509 "
        f"-CA {authority} -CAkey {tmp_path}/authority.key -subj /CN=cam "
        "-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE "
        f"-keyout {tmp_path}/c.key -out {tmp_path}/c.pem"
    )
    subprocess.run(["openssl", *made.split()], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "c.key")
    with Raw(guarded, context) as server:
        connect(("localhost", server.port), str(authority), 5).close()
        with pytest.raises(TransientError, match="not trusted"):
            connect(("127.0.0.1", server.port), str(authority), 5)


def stranger(heard: list[bytes]) -> Iterator[bytes]:
    number = heard[-1].lower().partition(b"cseq:")[2].split(b"\r\n")[0].strip()
    if heard[-1].startswith(b"OPTIONS"):
        yield b"RTSP/1.0 200 OK\r\nCSeq: %b\r\nPublic: DESCRIBE\r\n\r\n" % number
    else:
        ask = b'RTSP/1.0 401 No\r\nCSeq: %b\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n'
        yield ask % number


def test_rtsps_sends_nothing_to_a_stranger(camera: tuple[Path, ssl.SSLContext]) -> None:
    server = Raw(lambda _: stranger(server.heard), camera[1])
    with server:
        address = f"rtsps://me:hunter2@127.0.0.1:{server.port}/live"
        with Watched(source(address)) as seen:
            said = seen.wait_for_error()
        assert f"sha256:{sha256(camera[0])}" in said and "hunter2" not in said
        assert server.heard == []
        with Watched(source(address, trust=str(camera[0]))) as seen:
            assert "refuses the user or the password" in seen.wait_for_error()
        sent = base64.b64encode(b"me:hunter2")
        assert any(sent in head for head in server.heard), "once it is trusted"


def test_rtsps_shows_what_rtsp_shows(clip: Path, camera: tuple[Path, ssl.SSLContext]) -> None:
    with RtspServer(clip, user="me:p@ss") as plain, Tunnel(plain.port, camera[1]) as door:
        address = f"rtsps://me:p@ss@127.0.0.1:{door.port}/cam"
        with Watched(source(address, trust=sha256(camera[0]), timeout_s=2)) as seen:
            assert seen.wait_for_frames(5)[0].image.shape == (240, 320, 3)
            plain.kill()
            seen.wait_for_error()


def test_the_relay_lets_one_in(camera: tuple[Path, ssl.SSLContext]) -> None:
    config = SourceConfig(uri="rtsps://cam/x", trust=sha256(camera[0]))
    request: Request = asked(config, Known())()
    with Raw(guarded, camera[1]) as server:
        address = read(f"rtsps://127.0.0.1:{server.port}/x")
        with relayed(address, request) as near:
            first = socket.create_connection(("127.0.0.1", near.port or 0))
            first.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert first.recv(10)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", near.port or 0))
            first.close()


@pytest.mark.parametrize(
    ("uri", "trust", "why"),
    [
        ("http://cam/x", "a" * 64, "trust is for https:// and rtsps://"),
        ("rtsp://cam/x", "cam.pem", "trust is for https:// and rtsps://"),
        ("https://cam/x", "sha256:abc", "expected sha256: and 64 hexadecimal digits"),
    ],
)
def test_trust_that_protects_nothing_is_refused(uri: str, trust: str, why: str) -> None:
    with pytest.raises(FatalError, match=why):
        open_source(SourceConfig(uri=uri, trust=trust))


def test_fingerprints_and_files() -> None:
    assert fingerprint("AB:" * 31 + "AB") == "ab" * 32
    assert fingerprint("/etc/hedgerow/cam.pem") is None


class Tunnel:
    """TLS before a server that speaks none."""

    def __init__(self, target: int, context: ssl.SSLContext) -> None:
        self._target, self._context = target, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> "Tunnel":
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with (
                    self._context.wrap_socket(near, server_side=True) as safe,
                    socket.create_connection(("127.0.0.1", self._target)) as far,
                ):
                    pump(safe, far)
