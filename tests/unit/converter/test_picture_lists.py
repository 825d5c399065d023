"""Lists of pictures as people and their tools write them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from converter import data
from edge.errors import FatalError
from edge.model import InputContract

CONTRACT = InputContract(width=4, height=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/1.png", "a/2.png", "b/3.png", "b/with blank.png", "b/with,comma.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((4, 4, 3), np.uint8))
    return tmp_path


ROWS = [("a/1.png", "rock"), ("a/2.png", "bad sand"), ("b/with blank.png", "rock")]
LISTS = {
    "comma": "".join(f"{p},{label}\n" for p, label in ROWS),
    "comma and blank": "".join(f"{p}, {label}\n" for p, label in ROWS),
    "semicolon": "".join(f"{p};{label}\n" for p, label in ROWS),
    "tab": "".join(f"{p}\t{label}\n" for p, label in ROWS),
    "blank": "".join(f"{p} {label}\n" for p, label in ROWS),
    "header": "path,label\n" + "".join(f"{p},{label}\n" for p, label in ROWS),
    "tool's header": "id;class;filename\n" + "".join(f"7;{label};{p}\n" for p, label in ROWS),
    "unknown header": "Datei;Sorte\n" + "".join(f"{p};{label}\n" for p, label in ROWS),
    "label first": "".join(f"{label},{p}\n" for p, label in ROWS),
    "backslashes": "".join(f"{p},{label}\n" for p, label in ROWS).replace("/", "\\"),
    "quotes": "".join(f'"{p}","{label}"\n' for p, label in ROWS),
    "quoted path": "".join(f'"{p}" {label}\n' for p, label in ROWS),
    "more columns": "".join(f"{p},{label},0,1\n" for p, label in ROWS),
    "empty lines": "\n\n".join(f"{p},{label}" for p, label in ROWS) + "\n\n",
    "numbered rows": "".join(f"{at},{p},{label}\n" for at, (p, label) in enumerate(ROWS)),
    "bar": "".join(f"{p}|{label}\n" for p, label in ROWS),
    "colon": "".join(f"{p}: {label}\n" for p, label in ROWS),
    "./": "".join(f"./{p},{label}\n" for p, label in ROWS),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", LISTS)
def test_every_way_to_write_a_list(folder: Path, kind: str, ends: str, encoding: str) -> None:
    file = folder / "list.csv"
    written = LISTS[kind].replace("bad sand", "bläck sand").replace("\n", ends)
    file.write_bytes(written.encode(encoding))
    found = data.find(file, ())
    assert found.labels == ("bläck sand", "rock")
    assert [picture.label for picture in found.pictures] == [1, 0, 1]
    assert all(picture.path.is_file() for picture in found.pictures)


def test_a_comma_in_a_name(folder: Path) -> None:
    file = folder / "list.csv"
    file.write_text('"b/with,comma.png",rock\na/1.png,sand\n')
    assert all(picture.path.is_file() for picture in data.find(file, ()).pictures)
    file.write_text("b/with,comma.png\na/1.png\n")
    found = data.find(file, ())
    assert found.labels == ()
    assert all(picture.path.is_file() for picture in found.pictures)


@pytest.mark.parametrize("first", ["path", "filename", "image"])
def test_a_header_over_paths_alone(folder: Path, first: str) -> None:
    file = folder / "list.csv"
    file.write_text(f"{first}\na/1.png\na/2.png\n")
    found = data.find(file, ())
    assert (found.labels, len(found.pictures)) == ((), 2)


def test_numbers_are_the_networks_outputs(folder: Path) -> None:
    file = folder / "list.txt"
    file.write_text("".join(f"a/1.png {number}\n" for number in range(12)))
    assert data.find(file, ()).labels == tuple(map(str, range(12)))
    file.write_text("a/1.png 0\na/1.png 3\na/1.png 1\n")
    assert data.find(file, ()).labels == ("0", "1", "2", "3")
    file.write_text("a/1.png 10\na/1.png 9\n")
    assert data.find(file, ()).labels == ("9", "10")
    named = tuple("abcdefghijkl")
    file.write_text("a/1.png 10\na/1.png 2\n")
    assert [picture.label for picture in data.find(file, named).pictures] == [10, 2]


def test_a_wrong_base_says_the_path_that_was_tried(folder: Path) -> None:
    (folder / "lists").mkdir()
    file = folder / "lists" / "list.txt"
    file.write_text("".join(f"a/{number}.png rock\n" for number in range(20)))
    looked = r"none of its 20 pictures is there: looked for .*/lists/a/0.png first"
    with pytest.raises(FatalError, match=looked):
        data.find(file, ())
    file.write_text("1.png rock\n2.png sand\n")
    file = file.rename(folder / "list.txt")
    with pytest.raises(FatalError, match=rf"but it is there in {folder}/a: put the list there"):
        data.find(file, ())


def test_a_picture_that_is_not_there_is_counted_by_its_path(folder: Path) -> None:
    file = folder / "list.txt"
    file.write_text("gone.png\n" + "a/1.png\n" * 12)
    photos = data.read(data.find(file, ()), CONTRACT, folder, progress=False)
    assert photos.skipped == (f"{folder}/gone.png (there is no such file)",)


def test_a_line_without_its_label_is_named(folder: Path) -> None:
    file = folder / "list.csv"
    file.write_text("a/1.png,rock\na/2.png,\n")
    with pytest.raises(FatalError, match=r"line 2: .*has no label"):
        data.find(file, ())


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\0\0\0", b"\0" * 100, b"", b"a," + b"x" * 200_000]
)
def test_what_is_no_list_is_refused(folder: Path, content: bytes) -> None:
    file = folder / "list.txt"
    file.write_bytes(content)
    with pytest.raises(
        FatalError, match=r"list.txt.*(no (list of )?pictures|cannot be read as a list)"
    ):
        data.find(file, ())


def test_numbers_that_count_from_one(folder: Path) -> None:
    file = folder / "list.txt"
    file.write_text("a/1.png 1\na/2.png 2\nb/3.png 3\n")
    found = data.find(file, ("rock", "sand", "oak"))
    assert [picture.label for picture in found.pictures] == [0, 1, 2]
    file.write_text("a/1.png 1\na/2.png 2\n")
    assert [picture.label for picture in data.find(file, ("a", "b", "c")).pictures] == [1, 2]
    assert data.every(file).labels == ()


def test_a_column_that_splits_the_data(folder: Path) -> None:
    file = folder / "list.csv"
    file.write_text("image,label,split\na/1.png,x,train\na/2.png,y,Test\nb/3.png,x,val\n")
    found = data.find(file, ())
    assert found.parts == ("train", "val", "test")
    assert [picture.path.name for picture in found.measuring.pictures] == ["2.png"]
    file.write_text("image,label,split\na/1.png,x,train\na/2.png,y,\n")
    assert data.find(file, ()).parts == ()


def test_numbers_as_pandas_writes_them(folder: Path) -> None:
    file = folder / "list.csv"
    file.write_text("a/1.png,1.0\na/2.png,0.0\nb/3.png,2.0\n")
    assert [picture.label for picture in data.find(file, ("a", "b", "c")).pictures] == [1, 0, 2]
