"""HTTP cameras that are a little off: what a browser shows is read, the rest is said."""

import gzip
import time
import zlib
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from edge.capture.web import web
from edge.config import SourceConfig
from edge.errors import TransientError
from edge.sources.ask import asked
from edge.sources.devices import Known
from edge.types import Image
from tests.cameras.raw import Raw, still
from tests.cameras.servers import jpeg, picture
from tests.cameras.watch import Watched, source

DATA = jpeg(picture(1))
HEADER = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
PART = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


def read(address: str, count: int = 1, timeout_s: float = 5.0) -> list[Image]:
    """The first pictures, read by this process."""
    config = SourceConfig(uri=address, fps=50, timeout_s=timeout_s)
    with closing(web(asked(config, Known())())) as pictures:
        return [next(pictures)()[0] for _ in range(count)]


def error(address: str) -> str:
    """What it says instead of pictures."""
    with pytest.raises(TransientError) as caught:
        read(address, 10)
    return str(caught.value)


def answers(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces


@pytest.mark.parametrize("packed", [gzip.compress(DATA), zlib.compress(DATA)], ids=["gzip", "zlib"])
def test_a_packed_picture_is_unpacked(packed: bytes) -> None:
    coding = "gzip" if packed.startswith(b"\x1f\x8b") else "deflate"
    answer = still(packed, f"Content-Encoding: {coding}", f"Content-Length: {len(packed)}")
    with Raw(lambda _: answers(answer)) as server:
        assert read(server.address, 2)[0].shape == (240, 320, 3)


def test_a_packed_stream_comes_picture_by_picture() -> None:
    def respond(_: bytes) -> Iterator[bytes]:
        yield HEADER + b"Content-Encoding: gzip\r\n\r\n"
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        while True:
            yield packer.compress(PART + DATA + b"\r\n") + packer.flush(zlib.Z_SYNC_FLUSH)

    with Raw(respond) as server:
        read(server.address, 3)


def test_a_bomb_is_unpacked_no_further_than_a_picture_is_large() -> None:
    bomb = zlib.compress(b"\0" * 60_000_000, 9)
    answer = still(bomb, "Content-Encoding: deflate")
    with Raw(lambda _: answers(answer)) as server:
        assert "a picture of over 50000000 bytes" in error(server.address)


def test_how_it_is_packed_is_said_where_we_cannot_unpack_it() -> None:
    answer = still(DATA, "Content-Encoding: br")
    with Raw(lambda _: answers(answer)) as server:
        assert "packed as 'br'" in error(server.address)


def test_redirections_are_followed_and_the_password_stays_at_home() -> None:
    with Raw(lambda _: answers(still())) as other:

        def respond(head: bytes) -> Iterator[bytes]:
            if b"Authorization" not in head:
                yield b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="c"\r\n\r\n'
            elif head.startswith(b"GET /old%20one "):
                yield b"HTTP/1.1 302 Found\r\nLocation: /new one?a=b\r\n\r\n"
            else:
                place = other.address.replace("127.0.0.1", "localhost")
                yield f"HTTP/1.1 307 Away\r\nLocation: {place}/x\r\n\r\n".encode()

        with Raw(respond) as server:
            address = server.address.replace("//", "//me:hunter2@")
            read(f"{address}/old one")
        assert server.heard[-1].startswith(b"GET /new%20one?a=b ")
    assert other.heard and not any(b"Authorization" in head for head in other.heard)


def test_a_circle_of_redirections_is_said() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"
    with Raw(lambda _: answers(answer)) as server:
        assert error(f"{server.address}/x") == f"{server.address}/x: redirects in a circle"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"RTSP/1.0 400 Bad Request\r\n\r\n", "no HTTP: are scheme (http, https, rtsp) and port"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "no HTTP: are scheme (http, https, rtsp) and port"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, "no HTTP: are scheme"),
        (b"", "ends the connection without an answer: are scheme and port right?"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "in the middle of a"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n", "answers with HTTP status 302"),
    ],
    ids=["an RTSP port", "a TLS port", "a long head", "nothing", "cut off", "to no address"],
)
def test_what_is_no_answer_is_said_in_words(answer: bytes, said: str) -> None:
    with Raw(lambda _: answers(answer)) as server:
        assert said in error(server.address)


def test_a_stream_that_closes_after_each_picture_is_a_still() -> None:
    with Raw(lambda _: answers(HEADER + b"\r\n" + PART + DATA + b"\r\n")) as server:
        read(server.address, 4)
        assert len(server.heard) == 4


def test_empty_parts_are_passed_over() -> None:
    burst = (PART + b"\r\n") * 6 + (PART + DATA + b"\r\n") * 2

    def respond(_: bytes) -> Iterator[bytes]:
        yield HEADER + b"\r\n"
        while True:
            yield burst

    with Raw(respond) as server:
        read(server.address, 4)


@pytest.mark.parametrize(
    "data", [DATA[:-2], b"\r\n" + DATA, b"\0" * 512 + DATA, DATA + b"\0" * 700]
)
def test_what_a_browser_shows_is_read(data: bytes) -> None:
    with Raw(lambda _: answers(still(data))) as server:
        assert np.abs(read(server.address)[0].astype(int) - picture(1)).mean() < 3


def test_a_picture_that_is_cut_off_is_none() -> None:
    answer = still(DATA[: len(DATA) * 2 // 3])
    with Raw(lambda _: answers(answer)) as server:
        assert "cut off" in error(server.address)


def test_pictures_without_end_and_without_a_boundary() -> None:
    def respond(_: bytes) -> Iterator[bytes]:
        yield still()
        while True:
            yield b"\r\n" + DATA

    with Raw(respond) as server:
        assert {image.shape for image in read(server.address, 5)} == {(240, 320, 3)}
        assert len(server.heard) == 1


def test_a_web_page_is_called_one() -> None:
    answer = still(b"\r\n<!DOCTYPE html><title>Log in</title>")
    with Raw(lambda _: answers(answer)) as server:
        assert "sends a web page, not a picture: is the path right?" in error(server.address)


def test_a_length_that_promises_more_than_comes() -> None:
    def respond(_: bytes) -> Iterator[bytes]:
        yield still(DATA, f"Content-Length: {len(DATA) + 10}")
        time.sleep(3)

    with Raw(respond) as server:
        read(server.address, timeout_s=1)


def test_umlauts_and_blanks_in_user_password_and_path() -> None:
    def respond(head: bytes) -> Iterator[bytes]:
        if b"Authorization" not in head:
            yield b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="c", nonce="n"\r\n\r\n'
        else:
            yield still()

    with Raw(respond) as server:
        address = server.address.replace("//", "//jürgen:p ä#?/@s@")
        read(f"{address}/straße 1.jpg")
        assert server.heard[-1].startswith(b"GET /stra%C3%9Fe%201.jpg HTTP/1.1\r\n")
        assert 'username="jürgen"'.encode() in server.heard[-1]


def test_what_a_camera_asks_for_is_said() -> None:
    answer = b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\n\r\n"
    with Raw(lambda _: answers(answer)) as server:
        said = error(server.address.replace("//", "//a:hunter2@"))
    assert "asks for a log-in that is not supported (ntlm)" in said and "hunter2" not in said


def test_what_libraries_print_is_logged_once_with_the_source(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = jpeg(np.random.default_rng(1).integers(0, 60, (240, 320, 3)).astype(np.uint8))
    extra = noise[:-2] + bytes([0, 17, 34]) + noise[-2:]
    with (
        Raw(lambda _: answers(still(extra))) as server,
        Watched(source(f"{server.address}/x", fps=50)) as seen,
    ):
        seen.wait_for_frames(6)
    said = [line for line in caplog.messages if "Corrupt JPEG" in line]
    assert len(said) == 1
    assert said[0].startswith(f"source {server.address}/x: its libraries say: Corrupt JPEG data")
    assert "Corrupt" not in "".join(capfd.readouterr())
