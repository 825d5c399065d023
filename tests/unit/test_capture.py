"""What a camera's process is made of: messages, shared memory, multipart, JPEG headers, devices."""

import io
import os
import struct
import tempfile
import threading
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.header import Header, read_header
from edge.capture.jpeg import decoded
from edge.capture.multipart import mended, parts
from edge.capture.wire import SLOTS, Arrived, Failed, Slots, heard, say
from edge.config import SourceConfig
from edge.errors import FatalError, TransientError
from edge.sources import open_source
from edge.sources.ask import asked
from edge.sources.devices import Known, find
from edge.types import Image
from tests.cameras.servers import jpeg, picture
from tests.conftest import need

NOBODY = 65534


class TestWire:
    @given(st.builds(Failed, st.text(), st.booleans(), st.floats(0, 1e3)))
    def test_messages_arrive_as_they_were_sent(self, message: Failed) -> None:
        line = say(message)
        assert line.count(b"\n") == 1
        assert heard(line) == message

    @given(st.binary(max_size=60))
    def test_nonsense_is_a_failure_not_a_crash(self, line: bytes) -> None:
        assert isinstance(heard(line), Failed)

    @pytest.fixture
    def sides(self) -> Iterator[tuple[Slots, Slots]]:
        memory = os.memfd_create("frames")
        ours, theirs = Slots(memory), Slots(memory)
        yield ours, theirs
        ours.close()
        theirs.close()
        os.close(memory)

    def test_frames_cross_and_slots_grow(self, sides: tuple[Slots, Slots]) -> None:
        writer, reader = sides
        for width in (4, 40, 400, 4):
            for slot in range(SLOTS):
                image = np.full((3, width, 3), 10 * slot + width % 7, np.uint8)
                writer.write(slot, image)
                message = Arrived(slot, 3, width, "bgr", 0.0, 0.0, 0)
                assert np.array_equal(reader.read(message), image)

    def test_what_was_read_stays_when_the_slot_is_written_again(
        self, sides: tuple[Slots, Slots]
    ) -> None:
        writer, reader = sides
        writer.write(0, np.zeros((2, 2, 3), np.uint8))
        read = reader.read(Arrived(0, 2, 2, "bgr", 0.0, 0.0, 0))
        writer.write(0, np.ones((2, 2, 3), np.uint8))
        assert not read.any()


class TestMultipart:
    BODIES = st.lists(
        st.binary(max_size=200).filter(lambda body: b"--frame" not in body), min_size=1, max_size=5
    )

    @given(BODIES, st.booleans())
    def test_bodies_come_whole(self, bodies: list[bytes], dashes: bool) -> None:
        stream = b"".join(
            b"--frame\r\nContent-Type: image/jpeg\r\ncontent-length: %d\r\n\r\n%b\r\n"
            % (len(body), body)
            for body in bodies
        )
        boundary = "--frame" if dashes else '"frame"'
        assert list(parts(io.BytesIO(stream), boundary)) == bodies

    @given(BODIES)
    def test_without_lengths_up_to_the_next_boundary(self, bodies: list[bytes]) -> None:
        stream = b"".join(b"--frame\r\nX: 1\r\n\r\n%b\r\n" % body for body in bodies)
        found = list(parts(io.BytesIO(stream + b"--frame\r\n\r\n"), "frame"))
        assert found == bodies

    @given(st.binary(max_size=300))
    def test_nonsense_ends(self, data: bytes) -> None:
        list(parts(io.BytesIO(data), "frame"))

    @pytest.mark.parametrize(
        ("boundary", "line"),
        [
            ("frame", b"--frame"),
            ("--frame", b"--frame"),
            ("--frame", b"----frame"),
            ('"my frame"', b"--my frame"),
            ("", b"--frame"),
            ("foo", b"--bar"),
            (None, b"--myboundary"),
        ],
    )
    @pytest.mark.parametrize("end", [b"\r\n", b"\n"])
    @pytest.mark.parametrize("off", [None, 0, -2, 10, -700])
    @pytest.mark.parametrize("tail", [True, False])
    def test_boundaries_and_lengths_as_cameras_write_them(
        self, boundary: str | None, line: bytes, end: bytes, off: int | None, tail: bool
    ) -> None:
        pictures = [jpeg(picture(number)) for number in range(4)]
        stream = b""
        for data in pictures:
            length = 0 if off == 0 else len(data) + (off or 0)
            told = b"" if off is None else b"Content-Length: %d" % length + end
            stream += line + end + b"Content-Type: image/jpeg" + end + told + end + data
            stream += end if tail else b""
        found = [mended(data)[0] for data in parts(Trickle(stream + line + end), boundary)]
        assert found[:4] == pictures

    @given(BODIES, st.integers(0, 3), st.integers(1, 50))
    def test_however_it_comes_over_the_network(
        self, bodies: list[bytes], extra: int, size: int
    ) -> None:
        stream = b"".join(
            b"--frame\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(body), body) for body in bodies
        )
        assert list(parts(Trickle(b"\r\n" * extra + stream, size), "frame")) == bodies

    def test_parts_that_are_no_pictures_are_left_out(self) -> None:
        text = b"--frame\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello\r\n"
        image = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg(picture(1)) + b"\r\n"
        assert len(list(parts(io.BytesIO((text + image) * 3), "frame"))) == 3

    @pytest.mark.parametrize("before", [b"", b"\r\n", b"\0" * 512, b"Content-Type: image/jpeg\n\n"])
    @pytest.mark.parametrize("after", [b"", b"\0" * 700, b"\r\n"])
    def test_what_is_around_a_jpeg_is_taken_off(self, before: bytes, after: bytes) -> None:
        data = jpeg(picture(1))
        assert mended(before + data + after) == (data + after, True)
        assert mended(before + data[:-2]) == (data, False)

    @pytest.mark.parametrize("kind", [".png", ".webp", ".bmp", ".tiff"])
    def test_other_formats_stay_as_they_are(self, kind: str) -> None:
        data = cv2.imencode(kind, picture(1))[1].tobytes()
        assert mended(data + jpeg(picture(1)))[0].startswith(data)

    def test_a_length_that_no_picture_has_is_refused(self) -> None:
        stream = io.BytesIO(b"--frame\r\nContent-Length: 999999999999\r\n\r\n")
        with pytest.raises(TransientError, match="too large"):
            list(parts(stream, "frame"))


class Trickle(io.BytesIO):
    """A few bytes at a time, as a network brings them."""

    def __init__(self, data: bytes, size: int = 1000) -> None:
        super().__init__(data)
        self._size = size

    def read1(self, size: int | None = None, /) -> bytes:
        return super().read1(min(size or self._size, self._size))


class TestJpeg:
    @given(st.integers(1, 300), st.integers(1, 300))
    def test_the_size_is_in_the_header(self, width: int, height: int) -> None:
        header = read_header(jpeg(np.zeros((height, width, 3), np.uint8)))
        assert header == Header("jpeg", height, width, reducible=True)

    @given(st.binary(max_size=300))
    def test_nonsense_has_none(self, data: bytes) -> None:
        assert decoded(b"\xff\xd8" + data, 100) is None

    @pytest.mark.parametrize("width", [100, 300, 450, 1000])
    def test_reduced_pictures_show_the_same(self, width: int) -> None:
        whole = decoded(jpeg(picture(3, 1600, 1200)))
        small = decoded(jpeg(picture(3, 1600, 1200)), width)
        assert whole is not None and small is not None
        assert small.shape == (round(1200 * width / 1600), width, 3)
        size = (width, small.shape[0])
        expected = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - expected).mean() < 2

    def test_a_picture_of_a_hundred_megapixels_comes_smaller(self) -> None:
        """As a scanner makes it: 300 MB of pixels would be too much for a device."""
        huge = jpeg(np.zeros((10_000, 10_000, 3), np.uint8))
        image = decoded(huge)
        assert image is not None and image.shape == (5_000, 5_000, 3)

    def test_webcams_leave_out_what_every_decoder_knows(self) -> None:
        """The Huffman tables of ITU-T T.81, annex K."""
        data = jpeg(picture(1))
        bare, at = data[:2], 2
        while (segment := struct.unpack_from(">BBH", data, at))[1] != 0xDA:
            bare += data[at : at + 2 + segment[2]] if segment[1] != 0xC4 else b""
            at += 2 + segment[2]
        bare += data[at:]
        assert len(bare) < len(data) - 400
        assert same(decoded(bare, 100), decoded(data, 100))

    def test_one_pixel_is_a_picture(self) -> None:
        image = decoded(jpeg(np.full((1, 1, 3), 90, np.uint8)), 640)
        assert image is not None and image.shape == (1, 1, 3)

    def test_exif_turns_it_upright(self) -> None:
        data = jpeg(picture(0, 320, 240))
        exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + struct.pack(
            ">HHIHHI", 0x0112, 3, 1, 6, 0, 0
        )
        turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
        image = decoded(turned)
        assert image is not None and image.shape == (320, 240, 3)
        assert image[20, 120, 0] > 150, "what was left is up: a quarter clockwise"
        small = decoded(turned, 60)
        assert small is not None and small.shape == (80, 60, 3)

    def test_cmyk_becomes_colours(self) -> None:
        need(find_spec("PIL") is not None, "Pillow")
        file = io.BytesIO()
        import_module("PIL.Image").new("CMYK", (16, 16), (0, 255, 255, 0)).save(file, "JPEG")
        image = decoded(file.getvalue())
        assert image is not None and image.shape == (16, 16, 3)
        blue, _, red = image[8, 8]
        assert red > 200 and blue < 60, "magenta and yellow ink are red"


def same(one: Image | None, other: Image | None) -> bool:
    return one is not None and other is not None and np.array_equal(one, other)


class TestDevices:
    """Against a folder that looks like /sys/class/video4linux."""

    @pytest.fixture
    def machine(self, tmp_path: Path) -> "Machine":
        return Machine(tmp_path)

    def test_a_camera_is_found_again_under_another_number(self, machine: "Machine") -> None:
        known = Known()
        machine.plug("video0", "Cam", place="usb1/1-1", serial="A1")
        assert machine.find("video0", known).endswith("/video0")
        machine.unplug("video0")
        with pytest.raises(TransientError, match=r"there is no such camera.*There is: none"):
            machine.find("video0", known)
        machine.plug("video1", "Cam", place="usb1/1-2", serial="A1")
        assert machine.find("video0", known).endswith("/video1"), "in another socket too"

    def test_without_a_serial_number_the_socket_counts(self, machine: "Machine") -> None:
        known = Known()
        machine.plug("video0", "Cam", place="usb1/1-1")
        machine.plug("video2", "Cam", place="usb1/1-2")
        machine.find("video0", known)
        machine.unplug("video0")
        with pytest.raises(TransientError, match=r"There is: .*video2"):
            machine.find("video0", known)
        machine.plug("video4", "Cam", place="usb1/1-1")
        assert machine.find("video0", known).endswith("/video4")

    def test_the_node_for_metadata_is_not_taken_for_the_camera(self, machine: "Machine") -> None:
        known = Known()
        machine.plug("video0", "Cam", place="usb1/1-1")
        machine.find("video0", known)
        machine.unplug("video0")
        machine.plug("video1", "Cam", place="usb1/1-1", index="1")
        machine.plug("video2", "Cam", place="usb1/1-1")
        assert machine.find("video0", known).endswith("/video2")

    def test_no_permission_names_the_group(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            machine = Machine(Path(folder))
            machine.plug("video0", "Cam", place="usb1/1-1")
            (Path(folder) / "dev/video0").chmod(0o600 if os.getuid() == 0 else 0)
            user = os.geteuid()
            os.seteuid(user or NOBODY)
            try:
                with pytest.raises(TransientError, match="add this user to the group "):
                    machine.find("video0", Known())
            finally:
                os.seteuid(user)


class Machine:
    """Cameras that are plugged in and out."""

    def __init__(self, folder: Path) -> None:
        self._classes, self._nodes = folder / "class", folder / "dev"
        self._devices = folder / "devices"
        for made in (self._classes, self._nodes):
            made.mkdir()

    def plug(self, node: str, name: str, place: str, serial: str = "", index: str = "0") -> None:
        device = self._devices / place / "interface"
        device.mkdir(parents=True, exist_ok=True)
        if serial:
            (device.parent / "serial").write_text(f"{serial}\n")
        entry = self._classes / node
        entry.mkdir()
        (entry / "name").write_text(f"{name}\n")
        (entry / "index").write_text(f"{index}\n")
        (entry / "device").symlink_to(device)
        (self._nodes / node).touch()

    def unplug(self, node: str) -> None:
        for file in (self._classes / node).iterdir():
            file.unlink()
        (self._classes / node).rmdir()
        (self._nodes / node).unlink()

    def find(self, node: str, known: Known) -> str:
        return find(str(self._nodes / node), known, self._classes, self._nodes)


class TestAsked:
    @pytest.mark.parametrize(
        ("uri", "scheme", "address"),
        [
            ("rtsp://host/cam", "rtsp", "rtsp://host/cam"),
            ("rtsps://host:322/cam?x=1", "rtsp", "rtsps://host:322/cam?x=1"),
            ("https://host/still.jpg", "http", "https://host/still.jpg"),
            ("picamera:1", "picamera", "1"),
            ("gst:a ! b", "gst", "a ! b"),
        ],
    )
    def test_the_request_of_a_source(self, uri: str, scheme: str, address: str) -> None:
        request = asked(SourceConfig(uri=uri), Known())()
        assert (request.scheme, request.address) == (scheme, address)

    @pytest.mark.parametrize(
        ("typed", "says"),
        [
            ("192.168.1.20", "expected rtsp://192.168.1.20/PATH or http://192.168.1.20/PATH"),
            ("192.168.1.20:554/live", "expected rtsp://192.168.1.20:554/PATH"),
            ("cam.local", "expected rtsp://cam.local/PATH"),
            ("me:hunter2@cam/live", "expected rtsp://cam/PATH"),
            ("rtsp:/cam/live", "expected rtsp://HOST/PATH; in a password write %40"),
            ("photo.jpg", r"'file:photo.jpg': is a picture, .*: give its folder, dir:\.$"),
            ("x/photo.HEIC", "give its folder, dir:x$"),
            ("dir:smb://me:hunter2@nas/x", "mount a share first"),
            ("file:rtsp://me:hunter2@cam/x", "give a camera's address without dir: and file:"),
            ("v4l:/dev/video0", "expected one of rtsp://"),
        ],
    )
    def test_what_cannot_be_meant_says_what_to_type(self, typed: str, says: str) -> None:
        with pytest.raises(FatalError, match=says) as caught:
            open_source(SourceConfig(uri=typed))
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("name", ["user=1.mp4", "a@b.mp4", "06:30.mp4", "x:y@z.mp4"])
    def test_a_video_with_an_odd_name_is_one(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).touch()
        open_source(SourceConfig(uri=f"file:{tmp_path}/{name}"))
        open_source(SourceConfig(uri=f"{tmp_path}/{name}"))

    def test_a_password_in_the_address_gives_way_to_the_file(self, tmp_path: Path) -> None:
        secret = tmp_path / "password"
        secret.write_bytes(b"\xef\xbb\xbfp\xc3\xa4ss\r\n")
        config = SourceConfig(uri="rtsp://me:old@host/cam", password_file=secret)
        assert asked(config, Known())().address == "rtsp://me:p%C3%A4ss@host/cam"
        secret.write_bytes(b"p\xe4ss")
        assert asked(config, Known())().address == "rtsp://me:p%C3%A4ss@host/cam"

    def test_a_request_does_not_show_its_address(self) -> None:
        request = asked(SourceConfig(uri="rtsp://me:hunter2@host/cam"), Known())()
        assert "hunter2" not in repr(request) and "hunter2" in request.to_json()

    def test_a_jetsons_camera_scales_in_hardware(self) -> None:
        address = asked(SourceConfig(uri="csi:1", width=640), Known())().address
        assert address.startswith("nvarguscamerasrc sensor-id=1 ! ")
        assert address.endswith("width=640,height=360")

    def test_what_is_cut_out_has_the_width_that_was_asked_for(self) -> None:
        config = SourceConfig(uri="rtsp://host/cam", width=640, crop=(0.25, 0.0, 0.75, 1.0))
        assert asked(config, Known())().width == 1280

    def test_user_and_password_are_quoted_into_the_url(self, tmp_path: Path) -> None:
        secret = tmp_path / "password"
        secret.write_text("a/b@c:d\n")
        config = SourceConfig(uri="rtsp://host/cam", username="me@home", password_file=secret)
        request = asked(config, Known())()
        assert request.address == "rtsp://me%40home:a%2Fb%40c%3Ad@host/cam"
        assert request.shown == "rtsp://host/cam"

    @pytest.mark.parametrize("uri", ["rtsp://", "http:///x", "rtsp://host:99999/", "http://[x/"])
    def test_addresses_without_a_host_are_refused(self, uri: str) -> None:
        with pytest.raises(FatalError, match=r"expected (rtsp|http)://HOST/PATH"):
            asked(SourceConfig(uri=uri), Known())


def test_slots_are_told_apart_by_threads_that_share_nothing_else() -> None:
    """Two sides at full speed: every frame that is read is whole."""
    memory = os.memfd_create("frames")
    writer, reader = Slots(memory), Slots(memory)
    written, free = threading.Semaphore(0), threading.Semaphore(1)

    def write() -> None:
        for value in range(50):
            free.acquire()
            writer.write(0, np.full((64, 64, 3), value, np.uint8))
            written.release()

    thread = threading.Thread(target=write)
    thread.start()
    for value in range(50):
        written.acquire()
        assert (reader.read(Arrived(0, 64, 64, "bgr", 0.0, 0.0, 0)) == value).all()
        free.release()
    thread.join()
    writer.close()
    reader.close()
    os.close(memory)
