"""RTSP cameras: a real server on loopback, killed, hung, guarded and changing."""

import base64
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.capture.stream import live
from edge.config import SourceConfig
from edge.errors import TransientError
from edge.sources.ask import asked
from edge.sources.devices import Known
from tests.cameras.raw import Raw
from tests.cameras.servers import RtspServer
from tests.cameras.watch import Watched, source, until


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_frames_come_in_the_right_colours(
    clip: Path, hevc_clip: Path, codec: str, transport: str
) -> None:
    with (
        RtspServer(clip if codec == "h264" else hevc_clip) as camera,
        Watched(source(camera.address, transport=transport)) as seen,
    ):
        image = seen.wait_for_frames(10)[-1].image
    assert image.shape == (240, 320, 3)
    left, right = image[100:, 20:140].mean((0, 1)), image[100:, 180:300].mean((0, 1))
    assert np.abs(left - (200, 60, 30)).max() < 12, "B, G, R"
    assert np.abs(right - (30, 60, 200)).max() < 12


def test_mjpeg_is_decoded_at_the_size_that_is_needed() -> None:
    with (
        RtspServer(Path("bars.jpeg")) as camera,
        Watched(source(camera.address, width=160)) as seen,
    ):
        image = seen.wait_for_frames(3)[-1].image
    assert image.shape == (120, 160, 3)
    blue, green, red = image[40, 34]
    assert blue < 60 and green > 200 and red > 200, "yellow"


def test_frames_are_scaled_by_the_decoder_and_thinned_out(clip: Path) -> None:
    with (
        RtspServer(clip) as camera,
        Watched(source(camera.address, width=160, fps=5)) as seen,
    ):
        frames = seen.wait_for_frames(8)
    assert frames[-1].image.shape == (120, 160, 3)
    assert (frames[-1].mono_s - frames[1].mono_s) / 6 >= 0.17, "5 of the camera's 15 a second"


def test_a_server_that_dies_is_noticed_and_one_that_returns_is_read_again(clip: Path) -> None:
    with RtspServer(clip) as camera:
        with Watched(source(camera.address, timeout_s=2)) as seen:
            seen.wait_for_frames(3)
            camera.kill()
            said = seen.wait_for_error()
        assert said.startswith(f"{camera.address}: ")
        with Watched(source(camera.address)) as seen:
            assert seen.wait_for_error() == f"{camera.address}: connection refused"
        camera.start()
        with Watched(source(camera.address)) as seen:
            seen.wait_for_frames(3)


def test_a_server_that_says_nothing_is_noticed_within_its_limit(clip: Path) -> None:
    with RtspServer(clip) as camera, Watched(source(camera.address, timeout_s=1)) as seen:
        seen.wait_for_frames(3)
        camera.hang()
        hung_s = time.monotonic()
        assert seen.wait_for_error() == f"{camera.address}: has sent no picture for 1 s"
    assert seen.frames[-1].mono_s < hung_s + 0.9, (
        "FFmpeg's last one, kept back, is not taken for new"
    )


def test_a_server_that_takes_the_connection_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam"
        with Watched(source(address, timeout_s=1)) as seen:
            assert seen.wait_for_error() == f"{address}: does not answer"


SOUND = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"
    b"a=rtpmap:0 PCMU/8000\r\na=control:track1\r\n"
)


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        (
            'Digest realm="r", nonce="n", algorithm=SHA-256',
            "not supported over RTSP (digest SHA-256)",
        ),
        (
            'Digest realm="r", nonce="n", qop="auth-int"',
            "not supported over RTSP (digest auth-int)",
        ),
        ('Digest realm="r", nonce="n"', "refuses the user or the password"),
        ('Basic realm="r"', "refuses the user or the password"),
    ],
)
def test_what_a_camera_asks_for_is_said(asks: str, says: str) -> None:
    def respond(head: bytes) -> Iterator[bytes]:
        number = head.lower().partition(b"cseq:")[2].split(b"\r\n")[0].strip().decode()
        yield f"RTSP/1.0 401 No\r\nCSeq: {number}\r\nWWW-Authenticate: {asks}\r\n\r\n".encode()

    with Raw(respond) as server:
        address = f"rtsp://me:pässe@127.0.0.1:{server.port}/live"
        with pytest.raises(TransientError) as caught:
            next(live(asked(SourceConfig(uri=address), Known())()))
    assert says in str(caught.value) and "pässe" not in str(caught.value)
    if asks.startswith("Basic"):
        for encoding in ("utf-8", "latin-1"):
            sent = base64.b64encode("me:pässe".encode(encoding))
            assert any(sent in head for head in server.heard)


def test_sound_only_is_that_camera_s_own_matter() -> None:
    def respond(head: bytes) -> Iterator[bytes]:
        number = head.lower().partition(b"cseq:")[2].split(b"\r\n")[0].strip()
        more = {
            b"OPTIONS": b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
            b"DESCRIBE": b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(SOUND)
            + SOUND,
            b"SETUP": b"Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
        }.get(head.split()[0], b"Session: 1\r\n\r\n")
        yield b"RTSP/1.0 200 OK\r\nCSeq: %b\r\n%b" % (number, more)
        for count in range(100 if head.startswith(b"PLAY") else 0):
            sound = struct.pack(">BBHII", 0x80, 0, count, count * 160, 1) + b"\xff" * 160
            yield b"$\0" + struct.pack(">H", len(sound)) + sound
            time.sleep(0.02)

    with Raw(respond) as server:
        address = f"rtsp://127.0.0.1:{server.port}/live"
        with Watched(source(address, timeout_s=2)) as seen:
            assert seen.wait_for_error() == f"{address}: sends sound, but no video"
    assert isinstance(seen.error, TransientError)


def test_a_stream_that_changes_its_resolution_goes_on(changing_clip: Path) -> None:
    with RtspServer(changing_clip) as camera, Watched(source(camera.address, width=0)) as seen:
        until(lambda: len({frame.image.shape for frame in seen.frames}) == 2)
        seen.wait_for_frames(40)
    assert {frame.image.shape for frame in seen.frames} == {(240, 320, 3), (480, 640, 3)}
    for frame in seen.frames:
        assert frame.image[-20:, :20].mean((0, 1))[0] > 150, "whole pictures, not torn ones"


def test_user_and_password_from_a_file(clip: Path, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("p@ss:/word\n")
    with (
        RtspServer(clip, user="cam:p@ss:/word") as camera,
        Watched(source(camera.address, username="cam", password_file=str(secret))) as seen,
    ):
        seen.wait_for_frames(3)


def test_a_wrong_password_is_not_repeated_to_anyone(
    clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with RtspServer(clip, user="cam:right") as camera:
        address = camera.address.replace("//", "//cam:hunter2@")
        with Watched(source(address)) as seen:
            said = seen.wait_for_error()
    assert "refuses the user or the password" in said
    assert said.startswith("rtsp://***@127.0.0.1")
    assert getattr(seen.error, "wait_s", 0) >= 30, "cameras lock out who tries too often"
    assert "hunter2" not in said + "".join(capfd.readouterr())
