"""A model file that was not copied whole is called that, wherever it is cut."""

from pathlib import Path

import pytest

from converter.evaluation import evaluate
from converter.inspection import inspect
from edge.errors import FatalError


@pytest.mark.parametrize("share", [0.02, 0.2, 0.7, 0.9, 0.999])
def test_a_cut_file_is_called_cut(stripes_file: Path, tmp_path: Path, share: float) -> None:
    whole, cut = stripes_file.read_bytes(), tmp_path / "cut.tflite"
    cut.write_bytes(whole[: int(len(whole) * share)])
    for command in (inspect, lambda path: evaluate(path, tmp_path)):
        with pytest.raises(FatalError, match=r"cut\.tflite: .*cut off.*cop"):
            command(cut)


@pytest.mark.parametrize("more", [b"\0", b"\n", bytes(1000)])
def test_bytes_behind_the_end_are_noticed(stripes_file: Path, tmp_path: Path, more: bytes) -> None:
    longer = tmp_path / "longer.tflite"
    longer.write_bytes(stripes_file.read_bytes() + more)
    with pytest.raises(FatalError, match=f"{len(more)} bytes? follow its end"):
        inspect(longer)
