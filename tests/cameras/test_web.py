"""HTTP cameras: MJPEG and stills from a real server on loopback."""

import cv2
import numpy as np
import pytest

from tests.cameras.servers import WebCamera, jpeg, picture
from tests.cameras.watch import Watched, source


def drawn(number: int) -> bytes:
    return jpeg(picture(number))


@pytest.mark.parametrize("path", ["/mjpeg", "/bare", "/still"])
def test_frames_come_in_the_right_colours(path: str) -> None:
    with WebCamera(drawn) as camera, Watched(source(camera.address + path, fps=10)) as seen:
        image = seen.wait_for_frames(4)[-1].image
    assert image.shape == (240, 320, 3)
    assert np.abs(image[100:, 20:140].mean((0, 1)) - (200, 60, 30)).max() < 6


def test_stills_are_asked_for_at_the_rate_that_is_set() -> None:
    with WebCamera(drawn) as camera, Watched(source(f"{camera.address}/still", fps=5)) as seen:
        frames = seen.wait_for_frames(6)
    assert (frames[-1].mono_s - frames[0].mono_s) / 5 >= 0.15


def test_large_jpegs_are_decoded_at_the_size_that_is_needed() -> None:
    with (
        WebCamera(lambda number: jpeg(picture(number, 1600, 1200))) as camera,
        Watched(source(f"{camera.address}/mjpeg", width=300)) as seen,
    ):
        assert seen.wait_for_frames(2)[-1].image.shape == (225, 300, 3)


def test_a_server_that_dies_hangs_or_returns() -> None:
    with WebCamera(drawn) as camera:
        with Watched(source(f"{camera.address}/mjpeg", timeout_s=1)) as seen:
            seen.wait_for_frames(3)
            camera.hung.set()
            assert seen.wait_for_error().endswith("/mjpeg: has sent nothing for 1 s")
        camera.hung.clear()
        with Watched(source(f"{camera.address}/mjpeg")) as seen:
            seen.wait_for_frames(3)
            camera.stop()
            assert seen.wait_for_error().endswith("the server has ended the stream")
        with Watched(source(f"{camera.address}/mjpeg")) as seen:
            assert seen.wait_for_error().endswith("/mjpeg: connection refused")
        camera.start()
        with Watched(source(f"{camera.address}/mjpeg")) as seen:
            seen.wait_for_frames(3)


def test_a_password_goes_to_the_server_and_nowhere_else() -> None:
    with WebCamera(drawn, user="cam:hunter2") as camera:
        address = camera.address.replace("//", "//cam:hunter2@")
        with Watched(source(f"{address}/mjpeg")) as seen:
            seen.wait_for_frames(2)
        with Watched(source(f"{address.replace('hunter2', 'wrong1')}/mjpeg?pwd=s3cret")) as seen:
            said = seen.wait_for_error()
    assert "refuses the user or the password" in said
    assert said.startswith(f"http://***@127.0.0.1:{camera.port}/mjpeg?***:")
    assert "wrong1" not in said


def test_a_redirection_to_a_file_is_not_followed() -> None:
    with WebCamera(drawn) as camera, Watched(source(f"{camera.address}/away")) as seen:
        assert "HTTP status 302" in seen.wait_for_error()


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"no picture", "sends what is not a picture"), (b"", "sends what is not a picture")],
)
def test_what_is_no_picture_is_said(data: bytes, reason: str) -> None:
    with WebCamera(lambda _: data) as camera, Watched(source(f"{camera.address}/still")) as seen:
        assert seen.wait_for_error().endswith(reason)


def test_one_broken_picture_among_good_ones_costs_only_itself() -> None:
    with (
        WebCamera(lambda number: drawn(number) if number % 4 else b"\xff\xd8broken") as camera,
        Watched(source(f"{camera.address}/mjpeg")) as seen,
    ):
        assert len(seen.wait_for_frames(8)) >= 8


def test_a_missing_page_is_said() -> None:
    with WebCamera(drawn) as camera, Watched(source(f"{camera.address}/other")) as seen:
        assert seen.wait_for_error().endswith("answers with HTTP status 404")


@pytest.mark.parametrize("kind", [".png", ".bmp", ".webp"])
def test_stills_of_other_formats(kind: str) -> None:
    done, data = cv2.imencode(kind, picture(0))
    assert done
    with (
        WebCamera(lambda _: data.tobytes()) as camera,
        Watched(source(f"{camera.address}/still", width=160)) as seen,
    ):
        assert seen.wait_for_frames(1)[0].image.shape == (120, 160, 3)
