"""Sources: recordings whole and in order, live sources newest first, bad input in one line."""

import json
import logging
import os
import shutil
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge.config import SourceConfig
from edge.errors import FatalError, TransientError
from edge.sources import Source, open_source
from edge.sources.newest import Newest
from edge.types import Frame


def source(uri: str, fps: float = 0.0) -> Source:
    return open_source(SourceConfig(uri=uri, fps=fps))


def paint(path: Path, value: int, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), value, np.uint8))


class TestPictures:
    def test_sorted_with_subfolders_on_a_virtual_clock(self, tmp_path: Path) -> None:
        for name, value in (("b/2.png", 20), ("a/1.png", 10), ("c.PNG", 30)):
            paint(tmp_path / name, value)
        (tmp_path / "notes.txt").write_text("not a picture")
        frames = list(source(f"dir:{tmp_path}"))
        assert [f.origin for f in frames] == ["a/1.png", "b/2.png", "c.PNG"]
        assert [int(f.image[0, 0, 0]) for f in frames] == [10, 20, 30]
        assert [f.mono_s for f in frames] == [0, 1, 2]

    def test_a_zero_byte_picture_is_skipped_counted_and_named(
        self, tmp_path: Path, testdata: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad = testdata / "images/bad/zero_byte__plantvillage_apple.JPG"
        shutil.copy(bad, tmp_path)
        (tmp_path / "half.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
        paint(tmp_path / "good.png", 1)
        pictures = source(f"dir:{tmp_path}")
        with caplog.at_level(logging.WARNING):
            assert [f.origin for f in pictures] == ["good.png"]
        assert pictures.skipped == 2
        assert any(f"{bad.name}: skipped: not a readable picture" in m for m in caplog.messages)

    def test_a_folder_of_nothing_but_broken_pictures_fails(self, tmp_path: Path) -> None:
        (tmp_path / "empty.jpg").touch()
        with pytest.raises(TransientError, match="none of its 1 pictures is readable"):
            list(source(f"dir:{tmp_path}"))

    def test_an_empty_or_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FatalError, match="holds no pictures"):
            source(f"dir:{tmp_path}")
        with pytest.raises(FatalError, match=r"dir:.*/none: there is no such folder"):
            source(f"dir:{tmp_path}/none")

    def test_what_is_left_out_is_counted_and_named(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in ("a.jfif", "b.JPG", ".ipynb_checkpoints/b.jpg", "@eaDir/b.jpg", "c/d.webp"):
            paint(tmp_path / "made.png", 1)
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / "made.png").rename(tmp_path / name)
        (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
        (tmp_path / "Thumbs.db").touch()
        (tmp_path / "labels.csv").touch()
        pictures = source(f"dir:{tmp_path}")
        with caplog.at_level(logging.INFO):
            assert [f.origin for f in pictures] == ["a.jfif", "b.JPG", "c/d.webp"]
        assert pictures.skipped == 1, "the picture that cannot be read"
        (line,) = caplog.messages
        assert (
            "5 of 8 files are left out: 3 hidden or a system's (.ipynb_checkpoints/b.jpg," in line
        )
        assert "1 no picture (labels.csv)" in line
        assert "1 of a kind that cannot be read: save as JPEG or PNG (IMG_1.HEIC)" in line

    def test_a_name_that_is_not_utf8_is_read_and_can_be_said(self, tmp_path: Path) -> None:
        paint(tmp_path / "x.png", 1)
        (tmp_path / "x.png").rename(tmp_path / os.fsdecode(b"caf\xe9\n.png"))
        (frame,) = source(f"dir:{tmp_path}")
        assert frame.origin == "caf??.png"
        json.dumps(frame.origin).encode()

    def test_neither_a_pipe_nor_a_folder_is_taken_for_a_picture(self, tmp_path: Path) -> None:
        """A pipe would be waited for without end."""
        os.mkfifo(tmp_path / "pipe.jpg")
        paint(tmp_path / "folder.png/a.png", 1)
        assert [f.origin for f in source(f"dir:{tmp_path}")] == ["folder.png/a.png"]

    def test_a_folder_that_vanishes_is_said_as_that(self, tmp_path: Path) -> None:
        for name in "ab":
            paint(tmp_path / f"stick/{name}.png", 1)
        frames = iter(source(f"dir:{tmp_path}/stick"))
        next(frames)
        shutil.rmtree(tmp_path / "stick")
        with pytest.raises(TransientError, match="stick: there is no such folder; is it mounted"):
            next(frames)

    def test_grey_and_16_bit_become_8_bit_colour(self, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "grey16.png"), np.full((4, 4), 0x8000, np.uint16))
        cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 4), 7, np.uint8))
        images = [f.image for f in source(f"dir:{tmp_path}")]
        assert {(i.shape, str(i.dtype)) for i in images} == {((4, 4, 3), "uint8")}
        assert [int(i[0, 0, 0]) for i in images] == [7, 0x80]


class TestNewPictures:
    """`dir:FOLDER?watch`."""

    def test_what_comes_is_shown_once_and_in_order(self, tmp_path: Path) -> None:
        paint(tmp_path / "old.png", 1)
        watching = source(f"dir:{tmp_path}?watch")
        frames = iter(watching)
        threading.Timer(0.2, paint, (tmp_path / "b.png", 2)).start()
        first = next(frames)
        assert (first.origin, int(first.image[0, 0, 0])) == ("b.png", 2)
        assert abs(first.unix_s - time.time()) < 60, "it has the clock of a camera"
        paint(tmp_path / "deeper/a.png", 3)
        assert next(frames).origin == "deeper/a.png"
        watching.stop()
        assert list(frames) == []

    def test_one_that_is_still_being_written_is_waited_for(self, tmp_path: Path) -> None:
        paint(tmp_path / "whole.jpg", 200, (64, 64))
        data = (tmp_path / "whole.jpg").read_bytes()
        watching = source(f"dir:{tmp_path}?watch")
        frames = iter(watching)

        def copy_slowly() -> None:
            with (tmp_path / "slow.jpg").open("wb") as file:
                for at in range(0, len(data), 1 + len(data) // 8):
                    file.write(data[at : at + 1 + len(data) // 8])
                    file.flush()
                    time.sleep(0.2)

        threading.Thread(target=copy_slowly).start()
        assert int(next(frames).image[63, 63, 0]) > 190, "its last row too"
        assert watching.skipped == 0
        watching.stop()

    def test_a_folder_that_goes_away_may_come_back(self, tmp_path: Path) -> None:
        folder = tmp_path / "stick"
        folder.mkdir()
        frames = iter(source(f"dir:{folder}?watch"))
        threading.Timer(0.2, folder.rmdir).start()
        with pytest.raises(TransientError, match="there is no such folder"):
            next(frames)

    def test_one_that_is_not_there_yet_is_tried_again(self, tmp_path: Path) -> None:
        folder = tmp_path / "mnt"
        with pytest.raises(TransientError, match="mnt: there is no such folder; is it mounted"):
            list(source(f"dir:{folder}?watch"))
        paint(folder / "old.png", 1)
        frames = iter(source(f"dir:{folder}?watch"))
        threading.Timer(0.2, paint, (folder / "new.png", 2)).start()
        assert next(frames).origin == "new.png"

    def test_every_version_of_an_overwritten_picture_is_shown(self, tmp_path: Path) -> None:
        """As cameras do over FTP; the first was there before."""
        paint(tmp_path / "latest.jpg", 0)
        watching = source(f"dir:{tmp_path}?watch")
        frames = iter(watching)
        for value in (50, 100):
            threading.Timer(0.1, paint, (tmp_path / "latest.jpg", value)).start()
            frame = next(frames)
            assert (frame.origin, abs(int(frame.image[0, 0, 0]) - value) < 3) == (
                "latest.jpg",
                True,
            )
        watching.stop()

    def test_one_that_never_rests_is_shown_all_the_same(self, tmp_path: Path) -> None:
        """Overwritten more often than we look: whole is what has its end."""
        over = threading.Event()
        paint(tmp_path / "latest.jpg", 9, (64, 64))
        watching = source(f"dir:{tmp_path}?watch")

        def overwrite() -> None:
            for value in range(10, 10_000):
                paint(tmp_path / ".new.jpg", value % 200, (64, 64))
                (tmp_path / ".new.jpg").rename(tmp_path / "latest.jpg")
                if over.wait(0.05):
                    return

        writer = threading.Thread(target=overwrite)
        writer.start()
        values = [int(next(frames).image[0, 0, 0]) for frames in [iter(watching)] for _ in range(3)]
        over.set()
        writer.join()
        watching.stop()
        assert values == sorted(set(values)) and watching.skipped == 0

    def test_an_upload_that_stalled_is_shown_when_it_is_whole(self, tmp_path: Path) -> None:
        paint(tmp_path / "whole.jpg", 200, (64, 64))
        data = (tmp_path / "whole.jpg").read_bytes()
        watching = source(f"dir:{tmp_path}?watch")
        frames = iter(watching)
        (tmp_path / "slow.jpg").write_bytes(data[:300])
        threading.Timer(1.4, (tmp_path / "slow.jpg").write_bytes, (data,)).start()
        assert next(frames).origin == "slow.jpg"
        assert watching.skipped == 1, "it was counted as broken meanwhile"
        watching.stop()


class TestVideo:
    @pytest.mark.parametrize(
        ("name", "frames", "seconds"),
        [
            ("one-by-one-person-detection.mp4", 1394, 139.3),
            ("car-detection.mp4", 377, 30.08),
            ("yes.mkv", 65, 2.13),
            ("people-detection.gif", 23, 1.83),
            ("fruit-and-vegetable-detection.gif", 101, 6.67),
        ],
    )
    def test_every_frame_in_order(
        self, testdata: Path, name: str, frames: int, seconds: float
    ) -> None:
        times = [f.mono_s for f in source(f"file:{testdata}/videos/{name}")]
        assert len(times) == frames
        assert times == sorted(times) and times[0] == 0
        assert times[-1] == pytest.approx(seconds, abs=0.02)

    def test_fps_takes_that_many_of_each_second(self, testdata: Path) -> None:
        times = [f.mono_s for f in source(f"file:{testdata}/videos/car-detection.mp4", fps=2)]
        assert len(times) == pytest.approx(30.2 * 2, abs=1)
        assert min(np.diff(times)) >= 0.5 - 0.081, "a frame lasts 0.08 s"

    def test_a_video_that_ends_early_says_so_after_its_frames(
        self, testdata: Path, tmp_path: Path
    ) -> None:
        whole = (testdata / "videos/car-detection.mp4").read_bytes()
        (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
        frames: list[Frame] = []
        with pytest.raises(TransientError, match=r"cut\.mp4: ends after 13\.\d s of 30\.2 s"):
            for frame in source(f"file:{tmp_path}/cut.mp4"):
                frames.append(frame)
        assert len(frames) == 170

    def test_what_is_no_video_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "text.mp4").write_text("not a video")
        with pytest.raises(FatalError, match=r"text\.mp4: is not a video"):
            list(source(f"file:{tmp_path}/text.mp4"))
        with pytest.raises(FatalError, match="there is no such file"):
            source(f"file:{tmp_path}/none.mp4")

    @pytest.mark.parametrize(
        ("matrix", "corner"),
        [((0, 1, -1, 0), (0, -1)), ((-1, 0, 0, -1), (-1, -1)), ((0, -1, 1, 0), (-1, 0))],
        ids=["quarter turn", "half turn", "three quarters"],
    )
    def test_a_telephone_that_lay_on_its_side_is_turned_upright(
        self, tmp_path: Path, matrix: tuple[int, ...], corner: tuple[int, int]
    ) -> None:
        """The matrix of the track header (ISO 14496-12, 8.3.2), as telephones write it: the white
        corner at the top left of the sensor goes clockwise."""
        image = np.zeros((48, 64, 3), np.uint8)
        image[:16, :16] = 255
        path = tmp_path / "phone.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", 10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
            container.mux(stream.encode(None))
        data = path.read_bytes()
        a, b, c, d = (one * 65536 for one in matrix)
        at = data.index(b"tkhd") + 44
        turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(data[:at] + turned + data[at + 36 :])
        upright = next(iter(source(f"file:{path}"))).image
        assert upright.shape[:2] == ((64, 48) if matrix[0] == 0 else (48, 64))
        assert upright[corner].min() > 200
        assert sum(upright[y, x].min() > 200 for y in (0, -1) for x in (0, -1)) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{video}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile {video}\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        ],
    )
    def test_a_playlist_that_names_other_files_is_no_video(
        self, testdata: Path, tmp_path: Path, text: str
    ) -> None:
        (tmp_path / "list.mp4").write_text(text.format(video=testdata / "videos/yes.mkv"))
        with pytest.raises(FatalError, match=r"list\.mp4: is not a video"):
            list(source(f"file:{tmp_path}/list.mp4"))

    def test_stop_ends_it(self, testdata: Path) -> None:
        video = source(f"file:{testdata}/videos/car-detection.mp4")
        taken = []
        for frame in video:
            taken.append(frame)
            video.stop()
        assert len(taken) == 1


class TestNewest:
    """A live source, fed by hand: `go` lets the camera's thread give its next frame."""

    @staticmethod
    def numbered(count: int, go: threading.Semaphore, given: threading.Semaphore) -> Newest:
        def grab(stopped: threading.Event) -> Iterator[Frame]:
            for number in range(count):
                go.acquire()
                if stopped.is_set():
                    return
                yield Frame(np.full((1, 1, 3), number, np.uint8), number, number, time.monotonic())
                given.release()

        return Newest(grab)

    def test_the_newest_is_handed_out_and_the_others_are_counted(self) -> None:
        go, given = threading.Semaphore(1), threading.Semaphore(0)
        camera = self.numbered(5, go, given)
        frames = iter(camera)
        assert next(frames).mono_s == 0
        for _ in range(3):
            given.acquire()
            go.release()
        given.acquire()
        newest = next(frames)
        assert (newest.mono_s, newest.dropped) == (3, 2)
        assert camera.dropped == 2
        camera.stop()
        go.release()
        assert list(frames) == []

    def test_what_the_camera_itself_had_no_room_for_counts_too(self) -> None:
        def grab(_: threading.Event) -> Iterator[Frame]:
            yield Frame(np.zeros((1, 1, 3), np.uint8), 0, 0, 0, dropped=4)

        camera = Newest(grab)
        assert [frame.dropped for frame in camera] == [4]
        assert camera.dropped == 4

    def test_stop_ends_a_reader_that_waits_for_a_silent_camera(self) -> None:
        camera = self.numbered(1, threading.Semaphore(0), threading.Semaphore(0))
        threading.Timer(0.1, camera.stop).start()
        assert list(camera) == []

    def test_what_ends_the_camera_is_raised_to_the_reader(self) -> None:
        def grab(_: threading.Event) -> Iterator[Frame]:
            yield Frame(np.zeros((1, 1, 3), np.uint8), 0, 0, 0)
            raise TransientError("unplugged")

        with pytest.raises(TransientError, match="unplugged"):
            list(Newest(grab))


@pytest.mark.usefixtures("demo_photographs")
class TestDemo:
    def test_one_round_shows_six_photographs(self) -> None:
        frames = list(source("demo:?fps=0&seconds=1"))
        assert {f.image.shape for f in frames} == {(480, 640, 3)}
        assert [f.origin for f in frames[::15]] == [
            "coffee.png", "chelsea.png", "astronaut.png", "rocket.jpg", "grass.png", "gravel.png",
        ]  # fmt: skip
        assert not np.array_equal(frames[0].image, frames[7].image), "it pans"

    def test_paced_like_a_camera(self) -> None:
        frames = list(source("demo:?fps=50&seconds=0.1&rounds=1"))
        assert len(frames) + sum(f.dropped for f in frames) == 30
        assert frames[-1].mono_s - frames[0].mono_s >= 20 / 50, "no faster than it was asked to"

    def test_fps_of_the_source_holds_as_for_any_camera(self) -> None:
        began_s = time.monotonic()
        frames = list(source("demo:?fps=50&seconds=0.2&rounds=1", fps=5))
        took_s = time.monotonic() - began_s
        assert len(frames) <= 5 * took_s + 2
        assert sum(f.dropped for f in frames) > 20, "those between are not handed out"
        assert [f.mono_s for f in source("demo:?fps=0&seconds=1", fps=2)] == pytest.approx(
            [number / 2 for number in range(12)], abs=0.034
        )

    @pytest.mark.parametrize(
        "options",
        ["?fps=x", "?rounds=-1", "?speed=2", "?seconds=0", "?fps=nan", "?seconds=inf", "?fps=1e9"],
    )
    def test_wrong_options_are_refused(self, options: str) -> None:
        with pytest.raises(FatalError, match=r"expected demo:\?fps=NUMBER"):
            source(f"demo:{options}")


@pytest.mark.parametrize(
    "uri", ["exec:rm -rf", "gopher://host", "usb:x", "rtsp:", "v4l2:/etc/passwd", "gst:"]
)
def test_unknown_schemes_are_refused(uri: str) -> None:
    with pytest.raises(FatalError, match=r"expected (one of )?rtsp:"):
        source(uri)


def test_credentials_of_a_source_are_never_repeated() -> None:
    with pytest.raises(FatalError) as caught:
        source("ftp://me:hunter2@camera/stream")
    assert "hunter2" not in str(caught.value)


def test_a_missing_camera_is_named() -> None:
    with pytest.raises(TransientError, match="v4l2:/dev/video97: there is no such camera"):
        list(source("usb:97"))


@pytest.mark.parametrize("kind", ["", "file:", "dir:"])
def test_a_path_that_cannot_be_looked_at_is_said_in_words(kind: str, tmp_path: Path) -> None:
    """The same as a folder of somebody else's, which root can look into."""
    section = SourceConfig(uri=f"{kind}{tmp_path / ('x' * 300)}")
    with pytest.raises((FatalError, TransientError), match="cannot be read: File name too long"):
        list(open_source(section))
