"""Pictures that ask to be turned are counted: Keras does not turn them."""

import io
from pathlib import Path

import pytest
from PIL import Image

from converter import data
from converter.exif import orientation, turned
from edge.model import InputContract


def photo(kind: str, value: int, order: str = ">") -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif.endian = order
    exif[0x010F] = "maker"
    exif[0x0112] = value
    Image.new("RGB", (8, 6), (200, 0, 0)).save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_is_read(kind: str, order: str, value: int) -> None:
    found = photo(kind, value, order)
    assert orientation(found) == value
    assert turned(found) == (value != 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_cut_bytes_are_no_error(kind: str) -> None:
    whole = photo(kind, 6)
    assert all(0 <= orientation(whole[:length]) <= 8 for length in range(len(whole)))
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, kind)
    assert orientation(file.getvalue()) == 0


def test_turned_pictures_are_counted_and_upright(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.jpg").write_bytes(photo("JPEG", 6 if number < 5 else 1))
    photos = data.read(
        data.find(tmp_path, ()), InputContract(width=6, height=8), tmp_path, progress=False
    )
    assert photos.turned == 5
    assert data.decoded(tmp_path / "0.jpg").shape == (8, 6, 3)  # type: ignore[union-attr]
