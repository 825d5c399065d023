"""Real servers on loopback that behave like cameras, good ones and bad ones."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from edge.types import Image
from tests.conftest import free_port, need

SYSTEM_PYTHON = Path("/usr/bin/python3")
RATE = 15


def picture(number: int, width: int = 320, height: int = 240) -> Image:
    """A blue left and a red right half, and a white square that moves."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = (200, 60, 30)
    image[:, width // 2 :] = (30, 60, 200)
    left = number * 7 % (width - 40)
    image[20:60, left : left + 40] = 255
    return image


def encode(path: Path, pictures: Iterator[Image] | list[Image], rate: int = RATE) -> Path:
    """Pictures -> an elementary stream with access unit delimiters, a key picture a second."""
    codec = {"h264": "libx264", "h265": "libx265"}[path.suffix[1:]]
    params = "aud=1:slices=1:sliced-threads=0" if codec == "libx264" else "aud=1:log-level=error"
    stream: Any = None
    with path.open("wb") as file:
        for image in pictures:
            if stream is None:
                stream = av.CodecContext.create(codec, "w")
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt, stream.gop_size, stream.max_b_frames = "yuv420p", rate, 0
                stream.time_base = stream.framerate = rate
                stream.options = {f"{codec[3:]}-params": params, "preset": "ultrafast"}
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
                file.write(bytes(packet))
        for packet in stream.encode(None):
            file.write(bytes(packet))
    return path


class RtspServer:
    """A camera that can be killed, hung and started again, always on the same port."""

    def __init__(self, clip: Path, user: str = "", rate: int = RATE) -> None:
        self.port = free_port()
        self.address = f"rtsp://127.0.0.1:{self.port}/cam"
        self._command = [
            *(str(SYSTEM_PYTHON), str(Path(__file__).parent / "rtsp_server.py"), str(clip)),
            *("--port", str(self.port), "--fps", str(rate)),
            *(("--user", user) if user else ()),
        ]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "RtspServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        need(bool(line), "GStreamer's RTSP server (apt: gir1.2-gst-rtsp-server-1.0 python3-gi)")

    def kill(self) -> None:
        """As a power cut ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def hang(self) -> None:
        """Connections stay, pictures do not come."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR2)


class WebCamera:
    """An HTTP camera: /mjpeg (with lengths), /bare (without), /still; Basic authentication."""

    def __init__(self, make: Callable[[int], bytes], user: str = "") -> None:
        self.hung = threading.Event()
        self.asked: list[str] = []
        self.rate = RATE
        self._make = make
        self._user = user
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> "WebCamera":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()

    def kill(self) -> None:
        """As a power cut ends it."""
        self.stop()

    def hang(self) -> None:
        """Connections stay, pictures do not come."""
        self.hung.set()

    def go_on(self) -> None:
        self.hung.clear()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        import base64

        self.asked.append(request.path)
        wanted = "Basic " + base64.b64encode(self._user.encode()).decode()
        if self._user and request.headers.get("Authorization") != wanted:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.end_headers()
            return
        try:
            match request.path.partition("?")[0]:
                case "/mjpeg":
                    self._stream(request, lengths=True)
                case "/bare":
                    self._stream(request, lengths=False)
                case "/still":
                    self._still(request)
                case "/away":
                    request.send_response(302)
                    request.send_header("Location", "file:///etc/passwd")
                    request.end_headers()
                case _:
                    request.send_error(404)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _still(self, request: BaseHTTPRequestHandler) -> None:
        data = self._make(len(self.asked))
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _stream(self, request: BaseHTTPRequestHandler, lengths: bool) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        number = 0
        while self._server is not None:
            if not self.hung.is_set():
                data = self._make(number)
                told = f"Content-Length: {len(data)}\r\n" if lengths else ""
                request.wfile.write(
                    f"--frame\r\nContent-Type: image/jpeg\r\n{told}\r\n".encode() + data + b"\r\n"
                )
                number += 1
            time.sleep(1 / self.rate)


def jpeg(image: Image) -> bytes:
    """As a camera sends it."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    return data.tobytes()
