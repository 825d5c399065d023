"""Clips that the servers play."""

from pathlib import Path

import pytest

from tests.cameras.servers import encode, picture


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of H.264."""
    return encode(tmp_path_factory.mktemp("clip") / "clip.h264", [picture(i) for i in range(60)])


@pytest.fixture(scope="session")
def hevc_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of H.265."""
    return encode(tmp_path_factory.mktemp("clip") / "clip.h265", [picture(i) for i in range(30)])


@pytest.fixture(scope="session")
def changing_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of 320x240, then one of 640x480, and so on."""
    folder = tmp_path_factory.mktemp("clip")
    small = encode(folder / "small.h264", [picture(i) for i in range(15)])
    large = encode(folder / "large.h264", [picture(i, 640, 480) for i in range(15)])
    both = folder / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    return both
