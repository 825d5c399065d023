"""PyTorch's old files of weights: read without PyTorch, and no code of theirs runs."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.training import lite, torch_file
from edge.errors import FatalError


class Storage:
    """What PyTorch writes as a persistent id."""

    def __init__(self, key: str, count: int) -> None:
        self.pid = ("storage", Named("torch", "FloatStorage"), key, "cpu", count, None)


class Named:
    """A class or function by its name alone."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Tensor:
    def __init__(self, storage: Storage, shape: tuple[int, ...], steps: tuple[int, ...]) -> None:
        self.parts: tuple[Any, ...] = (storage, 0, shape, steps, False, OrderedDict())


PYTHON_PICKLER: Any = pickle._Pickler


class Pickler(PYTHON_PICKLER):  # type: ignore[misc]
    """Writes names that need not exist here."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Storage) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Tensor):
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(obj.parts)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)


def write(path: Path, weights: dict[str, Any], values: "np.ndarray[Any, Any]") -> Path:
    with path.open("wb") as file:
        for part in (torch_file.MAGIC, 1001, {"little_endian": True}, weights, ["7"]):
            Pickler(file, 2).dump(part)
        file.write(len(values).to_bytes(8, "little") + values.tobytes())
    return path


def test_a_tensor_comes_back_as_an_array(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32)
    tensors = {
        "a.weight": Tensor(Storage("7", 6), (2, 3), (3, 1)),
        "turned": Tensor(Storage("7", 6), (3, 2), (1, 3)),
    }
    read = torch_file.read(write(tmp_path / "w.pth", tensors, values))
    np.testing.assert_array_equal(read["a.weight"], values.reshape(2, 3))
    np.testing.assert_array_equal(read["turned"], values.reshape(2, 3).T)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    tensor = Tensor(Storage("7", 6), (2, 4), (4, 1))
    path = write(tmp_path / "w.pth", {"a.weight": tensor}, np.zeros(6, np.float32))
    with pytest.raises(FatalError, match="reaches beyond"):
        torch_file.read(path)


def test_a_file_that_would_run_code_is_refused_before_it_does(tmp_path: Path) -> None:
    evil = tmp_path / "evil.pth"
    mark = tmp_path / "ran"
    evil.write_bytes(b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.")
    with pytest.raises(FatalError, match=r"evil\.pth.*os\.system"):
        torch_file.read(evil)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04zip", b"\x80\x02K\x01."])
def test_another_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(FatalError, match=r"other\.pth: is no PyTorch file of weights"):
        torch_file.read(path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    whole = lite.imagenet().read_bytes()
    path = tmp_path / "cut.pth"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FatalError, match=r"cut\.pth"):
        torch_file.read(path)
