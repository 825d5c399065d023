"""Video files -> frames as a player shows them: which ones, when, in what colors and shape."""

import os
import random
import resource
import struct
from collections.abc import Iterable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.capture.display import Display
from edge.capture.due import Due
from edge.capture.recording import Clock, Recording
from edge.errors import FatalError, TransientError
from edge.sources.video import Video
from edge.types import Image


def film(path: Path, images: Iterable[Image], rate: int = 10, **how: Any) -> Path:
    """A video of these pictures; `how`: codec, format, options, aspect, matrix, times."""
    matrix, times = how.get("matrix"), how.get("times")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(how.get("codec", "libx264"), rate)
        stream.pix_fmt = how.get("format", "yuv420p")
        stream.options = how.get("options", {})
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
                stream.codec_context.time_base = Fraction(1, 1000 if times else rate)
                if aspect := how.get("aspect"):
                    stream.codec_context.sample_aspect_ratio = aspect
                if how.get("tagged"):
                    stream.codec_context.colorspace = 1 if matrix == "ITU709" else 6
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame = frame.reformat(format=stream.pix_fmt, dst_colorspace=matrix)
            frame.pts = times[number] if times else number
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def plain(count: int, columns: int = 64, rows: int = 48, value: int = 90) -> list[Image]:
    """Pictures whose number stands in their brightness."""
    return [
        np.full((rows, columns, 3), (value + 7 * number) % 256, np.uint8) for number in range(count)
    ]


def times(path: Path, fps: float = 0.0) -> list[float]:
    return [frame.mono_s for frame in Video(path, fps)]


class TestWhichFrames:
    B_FRAMES: ClassVar = {"bf": "16", "b_strategy": "0", "g": "300"}

    @pytest.mark.parametrize(
        ("rate", "fps", "seconds"),
        [(30, 5, 10), (30, 10, 10), (30, 15, 10), (30, 19, 10), (2, 1, 60)],
    )
    def test_fps_is_fps_whatever_frames_refer_to(
        self, tmp_path: Path, rate: int, fps: int, seconds: int
    ) -> None:
        """Frames that no other needs are most of them in some videos."""
        path = film(tmp_path / "b.mp4", plain(rate * seconds), rate, options=self.B_FRAMES)
        taken = times(path, fps)
        assert len(taken) == fps * seconds
        for number, time_s in enumerate(taken):
            assert abs(time_s - number / fps) <= 1 / rate, "the frame of that moment"

    def test_all_of_a_video_with_no_more_than_that(self, tmp_path: Path) -> None:
        """Matroska rounds to milliseconds: 0.033, 0.067, 0.1."""
        path = film(tmp_path / "v.mkv", plain(30), 30)
        assert times(path, 30) == times(path, 40) == times(path)
        assert len(times(path)) == 30

    @given(
        st.lists(st.floats(0.001, 3.0), min_size=1, max_size=60),
        st.floats(0.05, 60.0),
        st.floats(0.5, 120.0),
    )
    def test_of_each_step_the_first(self, gaps: list[float], fps: float, rate: float) -> None:
        moments = [sum(gaps[:number]) for number in range(len(gaps))]
        due = Due(1 / fps, rate)
        taken = [moment for moment in moments if due.takes(moment)]
        assert taken[0] == 0.0
        assert len(taken) <= moments[-1] * fps + 2
        early_s = 0.25 / fps + 1e-6
        for moment in moments:
            near = min(abs(moment - other) for other in taken)
            assert near <= 1 / fps + early_s, "no step with frames is without one"

    def test_a_pause_in_a_recording_is_kept(self, tmp_path: Path) -> None:
        """As a camera that records on motion writes it."""
        path = film(tmp_path / "m.mkv", plain(6), times=[0, 100, 200, 60_000, 60_100, 60_200])
        assert times(path) == pytest.approx([0, 0.1, 0.2, 60, 60.1, 60.2], abs=0.002)
        assert len(times(path, 5)) == 4


class TestTime:
    def parts(self, folder: Path, second: int) -> Path:
        """Two recordings of 4 s in one MPEG-TS, as a camera that was restarted writes them."""
        one = film(folder / "a.ts", plain(40))
        other = film(folder / "b.ts", plain(40), times=[second + 100 * n for n in range(40)])
        path = folder / "both.ts"
        path.write_bytes(one.read_bytes() + other.read_bytes())
        return path

    @pytest.mark.parametrize("second", [0, 36_000_000], ids=["back", "far ahead"])
    def test_a_second_part_follows_the_first(self, tmp_path: Path, second: int) -> None:
        path = self.parts(tmp_path, second)
        everything = times(path)
        assert len(everything) == 80
        assert everything == pytest.approx([number / 10 for number in range(80)], abs=0.01)
        assert len(times(path, 2)) == 16

    @given(st.lists(st.one_of(st.none(), st.floats(-1e5, 1e5)), min_size=1), st.booleans())
    def test_never_back(self, moments: list[float | None], breaking: bool) -> None:
        clock = Clock(0.04, breaking)
        heard = [clock.at(moment) for moment in moments]
        assert heard[0] == 0.0
        assert heard == sorted(heard)

    @given(st.lists(st.floats(0, 1e4), min_size=1))
    def test_a_sound_clock_is_left_alone(self, moments: list[float]) -> None:
        moments.sort()
        clock = Clock(0.04, breaking=False)
        heard = [clock.at(moment) for moment in moments]
        assert heard == pytest.approx([moment - moments[0] for moment in moments], abs=1e-6)
        assert not clock.broken


class TestShape:
    @pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
    @pytest.mark.parametrize(
        ("aspect", "width", "shape"),
        [
            (Fraction(16, 11), 0, (48, 93)),
            (Fraction(16, 11), 40, (21, 40)),
            (Fraction(8, 9), 0, (54, 64)),
            (Fraction(1, 1), 0, (48, 64)),
        ],
    )
    def test_pixels_become_square(
        self, tmp_path: Path, ending: str, aspect: Fraction, width: int, shape: tuple[int, int]
    ) -> None:
        path = film(tmp_path / f"v.{ending}", plain(3), aspect=aspect)
        assert {frame.image.shape[:2] for frame in Video(path, 0, width)} == {shape}

    def test_what_lies_on_its_side_is_limited_by_its_upright_width(self) -> None:
        assert Display(640, turns=1).size(1920, 1080) == (1138, 640)
        assert Display(640, Fraction(4, 3), turns=1).size(1440, 1080) == (1138, 640)
        assert Display(640, Fraction(4, 3)).size(1440, 1080) == (640, 360)
        assert Display(0, Fraction(10_000, 1)).size(64, 48) == (64, 48), "a mistake of the file"

    def test_a_video_whose_size_changes_keeps_all_its_frames(self, tmp_path: Path) -> None:
        one = film(tmp_path / "a.ts", plain(15, 64, 48))
        other = film(tmp_path / "b.ts", plain(15, 64, 36))
        (tmp_path / "both.ts").write_bytes(one.read_bytes() + other.read_bytes())
        shapes = [frame.image.shape[:2] for frame in Video(tmp_path / "both.ts")]
        assert shapes == [(48, 64)] * 15 + [(36, 64)] * 15
        assert len(times(tmp_path / "both.ts", 5)) == 15


class TestColors:
    COLOR = (40, 60, 200)

    @pytest.mark.parametrize(
        ("rows", "matrix", "tagged"),
        [
            (720, "ITU709", False),
            (480, "ITU601", False),
            (720, "ITU601", True),
            (480, "ITU709", True),
        ],
    )
    def test_the_matrix_is_the_tagged_one_else_the_players(
        self, tmp_path: Path, rows: int, matrix: str, tagged: bool
    ) -> None:
        red = np.full((rows, 640, 3), self.COLOR, np.uint8)
        path = film(tmp_path / "v.mp4", [red] * 2, matrix=matrix, tagged=tagged)
        (frame, _) = Video(path, 0, 320)
        assert np.abs(frame.image[9, 9].astype(int) - self.COLOR).max() <= 4

    def test_motion_jpeg_is_bt_601_at_any_size(self, tmp_path: Path) -> None:
        red = np.full((720, 1280, 3), self.COLOR, np.uint8)
        path = film(tmp_path / "v.avi", [red] * 2, codec="mjpeg", format="yuvj420p")
        (frame, _) = Video(path)
        assert np.abs(frame.image[9, 9].astype(int) - self.COLOR).max() <= 4


class TestOddFiles:
    @pytest.mark.parametrize(
        "name",
        [b"06:30.mp4", b"cam1:front.mp4", b"http:x.mp4", b"clip\xe9.mp4", b"50%d.mp4", b"-i.mp4"],
    )
    def test_any_name_is_a_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
    ) -> None:
        monkeypatch.chdir(tmp_path)
        film(Path("v.mp4"), plain(5))
        path = Path("v.mp4").rename(os.fsdecode(name))
        frames = list(Video(path))
        assert len(frames) == 5
        assert frames[0].origin.encode() == name.replace(b"\xe9", b"?")

    def test_a_preview_before_the_film_is_not_taken_for_it(self, tmp_path: Path) -> None:
        path = tmp_path / "v.mkv"
        with av.open(str(path), "w") as container:
            streams = [container.add_stream("libx264", 10) for _ in range(2)]
            for stream, columns in zip(streams, (32, 64), strict=True):
                stream.width, stream.height, stream.pix_fmt = columns, 48, "yuv420p"
            for stream, count in zip(streams, (1, 20), strict=True):
                for image in plain(count, stream.width):
                    frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        assert [frame.image.shape[1] for frame in Video(path)] == [64] * 20

    def test_sound_alone_is_no_video(self, tmp_path: Path) -> None:
        with av.open(str(tmp_path / "v.mp4"), "w") as container:
            stream = container.add_stream("aac", 8000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with pytest.raises(FatalError, match=r"v\.mp4: holds no video"):
            list(Video(tmp_path / "v.mp4"))

    @pytest.mark.parametrize("seed", range(5))
    def test_a_damaged_part_costs_itself_and_not_the_rest(self, tmp_path: Path, seed: int) -> None:
        path = film(tmp_path / "v.ts", plain(100), options={"g": "10"})
        data = bytearray(path.read_bytes())
        chance = random.Random(seed)
        middle = len(data) // 2
        data[middle : middle + 600] = chance.randbytes(600)
        path.write_bytes(data)
        moments = times(path)
        assert len(moments) >= 60 and moments[-1] == pytest.approx(9.9, abs=0.15)

    def test_a_frame_that_no_device_has_room_for_is_not_decoded(self, tmp_path: Path) -> None:
        """It would take a gigabyte; and a video without any frame does not end in silence."""
        path = film(tmp_path / "v.gif", plain(3), codec="gif", format="rgb8")
        data = path.read_bytes()
        path.write_bytes(data[:6] + struct.pack("<HH", 16_000, 16_000) + data[10:])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(TransientError, match=r"v\.gif: none of its frames can be decoded"):
            list(Video(path))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("seed", range(6))
def test_the_frames_are_those_that_a_full_decode_would_pick(tmp_path: Path, seed: int) -> None:
    """Whatever the codec refers to, in every container, with even and uneven times."""
    chance = random.Random(seed)
    rate, count = chance.choice([5, 12, 25, 30]), chance.randrange(20, 120)
    uneven = [0, *(chance.choice([20, 40, 40, 200, 1500]) for _ in range(count - 1))]
    moments = [sum(uneven[: number + 1]) for number in range(count)]
    path = film(
        tmp_path / f"v.{chance.choice(['mp4', 'mkv', 'ts'])}", plain(count), rate,
        options={"bf": str(chance.randrange(17)), "g": str(chance.choice([5, 30, 300])),
                 "b-pyramid": chance.choice(["none", "normal"]), "b_strategy": "0"},
        times=moments if chance.random() < 0.5 else None,
    )  # fmt: skip
    everything = list(Video(path))
    fps = chance.choice([0.2, 1, 2, 3.3, 7, 10])
    with closing(Recording(path, 0, 1 / fps)) as recording:
        due = recording.due
    right = [frame for frame in everything if due.takes(frame.mono_s)]
    taken = list(Video(path, fps))
    assert [frame.mono_s for frame in taken] == [frame.mono_s for frame in right]
    for one, other in zip(taken, right, strict=True):
        assert np.array_equal(one.image, other.image), "the same pixels"
