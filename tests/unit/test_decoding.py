"""Encoded pictures -> pixels: as Pillow reads them, within a bound of memory, whatever they are."""

import io
import resource
import struct
import subprocess
import sys
import zlib
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.header import KINDS, read_header
from edge.capture.jpeg import DECODING_BYTES, PictureError, decode, decoded, from_jpeg
from edge.capture.wire import LARGEST, Request
from edge.errors import TransientError
from edge.types import Image
from tests.cameras.servers import jpeg, picture
from tests.conftest import need


def gradient(rows: int = 48, columns: int = 64) -> Image:
    across = np.tile(np.linspace(0, 255, columns), (rows, 1))
    down = np.tile(np.linspace(0, 255, rows)[:, None], (1, columns))
    return np.dstack([across, down, np.full((rows, columns), 90.0)]).astype(np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(columns: int, rows: int) -> bytes:
    """Black and white, all black."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (columns + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", columns, rows, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def png_head(columns: int, rows: int, bits: int) -> bytes:
    head = struct.pack(">IIBBBBB", columns, rows, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)


def jpeg_head(columns: int, rows: int) -> bytes:
    """A real one of other size."""
    data = jpeg(picture(1, 64, 48))
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", rows, columns) + data[at + 4 :]


def tiff_head(*fields: tuple[int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(fields)) + entries


def encode(ending: str, image: Any, *options: int) -> bytes:
    return cv2.imencode(ending, image, list(options))[1].tobytes()


def exif(orientation: int) -> bytes:
    entry = struct.pack(">HHIHHI", 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01" + entry
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


class Pillow:
    """Writes a picture in another decoder's understanding, and reads it."""

    def __init__(self) -> None:
        need(find_spec("PIL") is not None, "Pillow")
        self.image = import_module("PIL.Image")
        self.ops = import_module("PIL.ImageOps")

    def write(self, mode: str, kind: str, **options: Any) -> bytes:
        image = self.image.fromarray(gradient()).convert("RGB")
        if mode in ("RGBA", "LA"):
            image.putalpha(image.convert("L"))
        file = io.BytesIO()
        image.convert(mode).save(file, kind, **options)
        return file.getvalue()

    def read(self, data: bytes) -> Image:
        image = self.ops.exif_transpose(self.image.open(io.BytesIO(data)))
        return np.asarray(image.convert("RGB"))[:, :, ::-1]


WRITTEN = [
    *((mode, "PNG") for mode in ("RGB", "L", "RGBA", "LA", "P", "1")),
    *((mode, "TIFF") for mode in ("RGB", "L", "P", "1", "CMYK")),
    *((mode, "BMP") for mode in ("RGB", "L", "P", "1")),
    *((mode, "GIF") for mode in ("P", "L")),
    *((mode, "PPM") for mode in ("RGB", "L", "1")),
    *((mode, "JPEG") for mode in ("RGB", "L", "CMYK")),
]


class TestKinds:
    @pytest.mark.parametrize(("mode", "kind"), WRITTEN)
    def test_as_pillow_reads_it(self, mode: str, kind: str) -> None:
        pillow = Pillow()
        data = pillow.write(mode, kind)
        header = read_header(data)
        assert header is not None and (header.rows, header.columns) == (48, 64)
        assert np.abs(decode(data).astype(int) - pillow.read(data)).max() <= 2

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
    @pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
    def test_exif_turns_every_kind(self, kind: str, orientation: int) -> None:
        pillow = Pillow()
        data = pillow.write("RGB", kind, exif=bytes(exif(orientation)[4:]))
        ours, theirs = decode(data), pillow.read(data)
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(int) - theirs).mean() < 3

    @pytest.mark.parametrize("ending", [".png", ".tiff"])
    def test_twelve_bits_in_sixteen_are_seen(self, ending: str) -> None:
        """Thermal and scientific cameras fill the lower twelve: the high byte alone is black."""
        eight = gradient()[:, :, 0]
        for bits in (12, 16):
            data = encode(ending, eight.astype(np.uint16) << (bits - 8))
            assert np.array_equal(decode(data)[:, :, 0], eight), bits

    @pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
    def test_a_kind_whose_size_nobody_can_tell_is_refused(self, kind: str) -> None:
        with pytest.raises(PictureError, match=r"^$"):
            decode(Pillow().write("RGB", kind))


class TestOddJpegs:
    WHOLE = jpeg(picture(3, 320, 240))

    @pytest.mark.parametrize(
        "data",
        [
            WHOLE[:-2],
            b"\r\n" + WHOLE,
            bytes(512) + WHOLE,
            WHOLE[:2] + b"\xff\xff\xff" + WHOLE[2:],
            WHOLE[:-2] + b"\x00\x11\x22" + WHOLE[-2:],
            WHOLE + bytes(700),
            b"\r\n" + WHOLE[:-2],
        ],
        ids=["no end", "line end", "zeros", "fill bytes", "three more", "zeros after", "two"],
    )  # fmt: skip
    def test_what_a_browser_shows_is_read(self, data: bytes) -> None:
        assert np.array_equal(decode(data), decode(self.WHOLE))
        assert np.array_equal(decode(data, 80), decode(self.WHOLE, 80))

    @pytest.mark.parametrize("less", [3, 10, 20])
    def test_a_length_that_is_a_little_short_costs_a_few_blocks(self, less: int) -> None:
        image = decode(self.WHOLE[:-less])
        assert np.array_equal(image[:222], decode(self.WHOLE)[:222])

    @pytest.mark.parametrize("width", [0, 40])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
    def test_half_a_picture_is_none(self, share: float, width: int) -> None:
        assert decoded(self.WHOLE[: int(len(self.WHOLE) * share)], width) is None

    def test_one_that_lies_on_its_side_may_lack_as_much(self) -> None:
        turned = self.WHOLE[:2] + exif(6) + self.WHOLE[2:-10]
        assert np.array_equal(decode(turned), np.rot90(decode(self.WHOLE[:-10]), -1))

    @pytest.mark.parametrize("lying", [(4000, 1000), (1000, 4000)])
    def test_one_that_lies_on_its_side_is_scaled_by_its_upright_width(
        self, lying: tuple[int, int]
    ) -> None:
        data = encode(".jpg", cv2.resize(picture(1), lying))
        turned = data[:2] + exif(6) + data[2:]
        upright = np.rot90(cv2.resize(picture(1), lying), -1)
        small = decode(turned, 640)
        width = min(640, lying[1])
        assert small.shape == (round(lying[0] * width / lying[1]), width, 3)
        expected = cv2.resize(upright, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - expected).mean() < 2, "as sharp as it can be"


class TestBounds:
    def test_bombs_are_refused_or_read_small_in_little_memory(self) -> None:
        """109 kB of PNG, 10 kB of WebP and a JPEG with fill bytes stood for 1.6 to 5.4 GB."""
        large = np.zeros((9_000, 9_000), np.uint8)
        whole = encode(".jpg", large)
        bombs = {
            "png": png(20_000, 20_000),
            "webp": encode(".webp", large),
            "progressive": encode(".jpg", large, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
            "jpeg": whole[:2] + b"\xff\xff" + whole[2:],
        }
        code = """
import resource, struct, sys
from edge.capture.jpeg import decoded
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
while size := sys.stdin.buffer.read(4):
    image = decoded(sys.stdin.buffer.read(struct.unpack("<I", size)[0]))
    print(None if image is None else image.shape)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
        sent = b"".join(struct.pack("<I", len(bomb)) + bomb for bomb in bombs.values())
        child = subprocess.run(
            [sys.executable, "-c", code], input=sent, capture_output=True, check=True
        )
        *shapes, needed = child.stdout.decode().splitlines()
        assert shapes == ["None", "None", "None", "(4500, 4500, 3)"]
        assert int(needed) < DECODING_BYTES

    @pytest.mark.parametrize(
        "data",
        [
            jpeg_head(30_000, 30_000),
            png_head(9000, 9000, 8),
            png_head(8000, 8000, 16),
            b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0),
            b"BM" + bytes(12) + struct.pack("<Iii", 40, 30_000, -30_000),
            b"BM" + bytes(12) + struct.pack("<IHH", 12, 30_000, 30_000),
            b"P4\n# a comment\n30000 30000\n",
            b"P6 8000 8000 65535\n",
            b"RIFF\x00\x00\x00\x00WEBPVP8X\n\x00\x00\x00\x00\x00\x00\x00" + b"\xff\x3e\x00" * 2,
            b"RIFF\x00\x00\x00\x00WEBPVP8X\n\x00\x00\x00\x02\x00\x00\x00" + b"\x3f\x1f\x00" * 2,
            b"RIFF\x00\x00\x00\x00WEBPVP8 \n\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f",
            tiff_head((256, 30_000), (257, 30_000)),
            tiff_head((256, 10), (257, 10), (322, 16_384), (323, 16_384)),
        ],
        ids=["jpeg", "png", "png of 16 bits", "gif", "bmp", "old bmp", "pbm", "ppm of 16 bits",
             "webp", "animated webp", "lossy webp", "tiff", "tiles of a small tiff"],
    )  # fmt: skip
    def test_the_declared_size_is_enough(self, data: bytes) -> None:
        with pytest.raises(PictureError, match=r"\d+x\d+ pixels are too many"):
            decode(data)

    def test_a_chunk_that_says_it_is_long_gets_no_room(self) -> None:
        """100 bytes of PNG took 4 GB and 40 s."""
        data = png(30, 20)
        at = data.index(b"IDAT") - 4
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert decoded(data[:at] + b"\x7f\xff\xff\xff" + data[at + 4 :]) is None
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000

    def test_an_animated_png_is_its_picture(self) -> None:
        pillow = Pillow()
        image = pillow.image.fromarray(gradient())
        file = io.BytesIO()
        image.save(file, "PNG", save_all=True, append_images=[image.rotate(90)])
        assert np.array_equal(decode(file.getvalue()), gradient()[:, :, ::-1])

    def test_a_progressive_jpeg_of_four_inks_is_held_twice(self) -> None:
        data = Pillow().write("CMYK", "JPEG", progressive=True)
        header = read_header(data)
        assert header is not None and (header.canvases, header.reducible) == (2, False)
        assert decode(data).shape == (48, 64, 3)

    def test_a_camera_that_sends_one_is_told_so(self) -> None:
        request = Request("http", "http://camera/", "http://camera/", 640, 0.0, 5.0)
        with pytest.raises(TransientError, match=r"camera/: sends .* 30000x9999 pixels are"):
            from_jpeg(png_head(30_000, 9_999, 8) + jpeg(picture(1)), request)

    @settings(max_examples=300)
    @given(st.sampled_from(list(KINDS)), st.binary(max_size=200))
    def test_nonsense_is_no_picture(self, start: bytes, rest: bytes) -> None:
        header = read_header(start + rest)
        assert header is None or min(header.rows, header.columns) > 0
        decoded(start + rest)

    @settings(max_examples=150)
    @given(st.sampled_from(range(6)), st.integers(0, 300), st.binary(min_size=1, max_size=4))
    def test_what_is_decoded_is_never_larger_than_the_header_says(
        self, kind: int, at: int, patch: bytes
    ) -> None:
        """Of pictures with a few bytes changed: our reading of a header is the decoder's."""
        endings = (".jpg", ".png", ".webp", ".tiff", ".bmp", ".gif")
        whole = encode(endings[kind], gradient(40, 30))
        data = whole[:at] + patch + whole[at + len(patch) :]
        header, image = read_header(data), decoded(data)
        if image is not None:
            assert header is not None
            assert image.shape[0] * image.shape[1] <= min(LARGEST, header.rows * header.columns)
