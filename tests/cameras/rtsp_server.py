"""An IP camera on loopback: serves an H.264 or H.265 file for ever as rtsp://127.0.0.1:PORT/cam,
or colour bars as MJPEG (a file that ends in .jpeg, which is not read).

A program of its own for the system's Python: gir1.2-gst-rtsp-server-1.0 python3-gi and GStreamer's
plugins. SIGUSR1 stops the picture but keeps connections open (a hung camera); SIGUSR2 goes on.
"""

import argparse
import itertools
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PARTS = {"h264": rb"\x00\x00\x00\x01\x09", "h265": rb"\x00\x00\x00\x01\x46"}
"""Access unit delimiters: where a picture begins."""

MJPEG = (
    "videotestsrc is-live=true pattern=smpte100 ! video/x-raw,format=I420,width=320,height=240,"
    "framerate={rate}/1 ! jpegenc ! rtpjpegpay name=pay0 pt=26"
)

hung = threading.Event()


class Camera(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """Feeds the file's pictures to whoever connects, at the camera's rate."""

    def __init__(self, file: Path, rate: int) -> None:
        super().__init__()
        self.set_shared(True)
        self.codec, self.rate = file.suffix[1:], rate
        if self.codec == "jpeg":  # colour bars, made as they are played
            return
        data = file.read_bytes()
        starts = [found.start() for found in re.finditer(PARTS[self.codec], data)] + [len(data)]
        self.units = [data[i:j] for i, j in itertools.pairwise(starts)]

    def do_create_element(self, _url: Any) -> Any:
        if self.codec == "jpeg":
            return Gst.parse_launch(MJPEG.format(rate=self.rate))
        return Gst.parse_launch(
            "appsrc name=src is-live=true format=time do-timestamp=true "
            f"caps=video/x-{self.codec},stream-format=byte-stream,alignment=au,"
            f"framerate={self.rate}/1 ! {self.codec}parse ! "
            f"rtp{self.codec}pay name=pay0 pt=96 config-interval=-1"
        )

    def do_configure(self, media: Any) -> None:
        if self.codec == "jpeg":
            return
        source, alive = media.get_element().get_by_name("src"), threading.Event()
        alive.set()
        media.connect("unprepared", lambda *_: alive.clear())
        threading.Thread(target=self.feed, args=(source, alive), daemon=True).start()

    def feed(self, source: Any, alive: threading.Event) -> None:
        due_s = time.monotonic()
        for unit in itertools.cycle(self.units):
            while alive.is_set() and (hung.is_set() or time.monotonic() < due_s):
                time.sleep(0.2 / self.rate)
            due_s = max(due_s + 1 / self.rate, time.monotonic() - 1)
            if not alive.is_set():
                return
            source.emit("push-buffer", Gst.Buffer.new_wrapped(unit))


def guard(server: Any, factory: Any, user: str) -> None:
    """Basic authentication: NAME:PASSWORD."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*user.split(":", 1)), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--port", required=True)
    parser.add_argument("--user")
    given = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=given.port)
    factory = Camera(given.file, given.fps)
    if given.user:
        guard(server, factory, given.user)
    server.get_mount_points().add_factory("/cam", factory)
    if not server.attach(None):
        raise SystemExit(f"cannot listen on port {given.port}")
    loop = GLib.MainLoop()
    acts = {
        signal.SIGINT: loop.quit,
        signal.SIGTERM: loop.quit,
        signal.SIGUSR1: hung.set,
        signal.SIGUSR2: hung.clear,
    }
    for number, act in acts.items():
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, lambda f: (f(), True)[1], act)
    print("ready", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
