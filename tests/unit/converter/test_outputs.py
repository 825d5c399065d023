"""No command of the converter overwrites its input, or a file that it did not make."""

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from converter import files, ours
from converter.options import Options
from converter.packing import pack_file
from converter.preparation import check
from edge.errors import FatalError
from edge.model import CONTRACT_FILE

CHECKS: dict[str, Callable[..., None]] = {
    "convert": ours.check_conversion,
    "pack": ours.check_model,
    "train": ours.check_training,
    "explain": ours.check_drawing,
}


def a_model() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(CONTRACT_FILE, "{}")
    return b"\x1c\0\0\0TFL3" + bytes(64) + held.getvalue()


@pytest.mark.parametrize("command", CHECKS)
def test_an_input_and_a_strange_file_are_refused(command: str, tmp_path: Path) -> None:
    judge, theirs = CHECKS[command], tmp_path / "leaf.keras"
    theirs.write_bytes(b"PK trained for a week")
    link, another_name = tmp_path / "link", tmp_path / "hard"
    link.symlink_to(theirs)
    os.link(theirs, another_name)
    for out, reason in (
        (theirs, "is an input of this command"),
        (another_name, "is an input of this command"),
        (tmp_path / "x" / ".." / "leaf.keras", "is an input|no such folder"),
        (link, "is not a regular file"),
    ):
        with pytest.raises(FatalError, match=f"--out: .*({reason})"):
            judge(out, theirs)
    with pytest.raises(FatalError, match="was not made by this command"):
        judge(theirs, tmp_path / "other.keras")
    assert theirs.read_bytes() == b"PK trained for a week"


@pytest.mark.parametrize("command", CHECKS)
def test_only_regular_files_are_written(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for out in (tmp_path / "pipe", tmp_path / "dangling", Path("/dev/null"), Path("/dev/stdout")):
        with pytest.raises(FatalError, match=r"--out: .*(is not a regular file|not writable)"):
            CHECKS[command](out)
    empty = tmp_path / "empty"  # as mktemp makes it
    empty.touch()
    CHECKS[command](empty)
    CHECKS[command](tmp_path / "new")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("convert", "m.tflite.previous"),
        ("convert", "m.report.json"),
        ("convert", "m.report.html"),
        ("train", "m.train.json"),
        ("train", "m.train.html"),
    ],
)
def test_files_beside_the_output_are_looked_at_too(command: str, name: str, tmp_path: Path) -> None:
    out = tmp_path / ("m.tflite" if command == "convert" else "m.keras")
    (tmp_path / name).write_text('{"my": "notes"}')
    with pytest.raises(FatalError, match=rf"{name}: is there already"):
        CHECKS[command](out)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(FatalError, match=rf"{name}: is not a regular file"):
        CHECKS[command](out)


def test_what_an_earlier_run_made_is_replaced(tmp_path: Path) -> None:
    model, page = tmp_path / "m.tflite", "<title>m.tflite: int8 against float</title>"
    for path in (model, tmp_path / "m.tflite.previous"):
        path.write_bytes(a_model())
    (tmp_path / "m.report.json").write_text('{"schema": "hedgerow.report/1"}')
    (tmp_path / "m.report.html").write_text(page)
    ours.check_conversion(model)
    ours.check_model(model)
    with pytest.raises(FatalError, match="is an input"):
        ours.check_model(model, model)
    model.write_bytes(b"\x1c\0\0\0TFL3 made elsewhere")
    with pytest.raises(FatalError, match="was not made"):
        ours.check_conversion(model)


def test_a_trained_model_is_replaced_while_it_is_as_it_was_left(tmp_path: Path) -> None:
    out, report = tmp_path / "m.keras", tmp_path / "m.train.json"
    out.write_bytes(b"weights")
    facts = {"labels": [], "course": {}, "options": {}, "model": "m.keras"}
    report.write_text(json.dumps(facts))  # of a version that noted no hash
    ours.check_training(out)
    report.write_text(json.dumps(facts | {"model_sha256": files.sha256_of(out)}))
    ours.check_training(out)
    out.write_bytes(b"weights that I fitted further")
    with pytest.raises(FatalError, match="was not made by this command"):
        ours.check_training(out)


def test_a_drawing_carries_its_mark_and_stays_a_png(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    plain = cv2.imencode(".png", picture)[1].tobytes()
    out = tmp_path / "why.png"
    out.write_bytes(plain)
    with pytest.raises(FatalError, match="was not made by this command"):
        ours.check_drawing(out)
    out.write_bytes(ours.signed(plain))
    ours.check_drawing(out)
    read = cv2.imread(str(out))
    assert read is not None and np.array_equal(read, picture)
    data = out.read_bytes()
    length = struct.unpack(">I", data[33:37])[0]
    assert zlib.crc32(data[37 : 41 + length]) == struct.unpack(">I", data[41 + length :][:4])[0]


def test_the_commands_refuse_before_they_do_anything(tmp_path: Path) -> None:
    """The model is not even read: it is none."""
    picture = tmp_path / "p.jpg"
    picture.write_bytes(b"a photograph")
    with pytest.raises(FatalError, match="was not made by this command"):
        pack_file(tmp_path / "gone.tflite", picture, "classify", Options())
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", '{"class_name": "Sequential", "config": {}}')
        archive.writestr("metadata.json", "{}")
    with pytest.raises(FatalError, match="is an input of this command"):
        check(tmp_path / "m.keras", tmp_path, tmp_path / "m.keras", Options())
    assert picture.read_bytes() == b"a photograph"
