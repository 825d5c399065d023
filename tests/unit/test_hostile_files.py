"""Model files that lie: refused in one line, with no more memory than three times the file."""

import io
import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge import model
from edge.errors import FatalError
from edge.flatbuffer.appended import MOST_FILES
from tests.unit.test_model import FLATBUFFER, contract, load

ALLOWED_BYTES = 50 << 20
"""That `model.load` may take beyond three times the file's size."""
PEAK = """
import resource, sys
from pathlib import Path
from edge import model
from edge.errors import FatalError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    model.load(Path(sys.argv[1]))
    said = "loaded"
except FatalError as error:
    said = str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
print(said)
"""


def zipped(files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO(FLATBUFFER)
    with zipfile.ZipFile(data, "a", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def with_contract(text: str | bytes, **files: bytes) -> bytes:
    content = text if isinstance(text, bytes) else text.encode()
    return zipped({"hedgerow.json": content} | files)


def npy(header: str, content: bytes = b"") -> bytes:
    padded = header.ljust(118).encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + content


def npz(**arrays: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return data.getvalue()


def with_golden(archive: bytes) -> bytes:
    return zipped({"hedgerow.json": json.dumps(contract()).encode(), "golden.npz": archive})


HEADER = "{'descr': '|i1', 'fortran_order': False, 'shape': (%s,), }"
SOUND = npy(HEADER % "2, 4", bytes(8))
BOMBS = {
    "golden vectors that unpack to gigabytes": with_golden(npz(inputs=bytes(1 << 29))),
    "golden vectors that say they are huge": with_golden(
        npz(inputs=npy(HEADER % "1 << 60"), outputs=npy(HEADER % f"{1 << 60}"))
    ),
    "a contract of masses of items": with_contract(b'{"labels":[' + b"[]," * (1 << 24) + b"[]]}"),
    "as many empty tables as are allowed": with_contract(
        b'{"provenance":{"a":[' + b"{}," * 49_000 + b"{}]}}"
    ),
    "as many wrong labels as are allowed": with_contract(
        b'{"schema":"hedgerow.model/1","labels":[' + b"1," * 49_000 + b"1]}"
    ),
    "nested a hundred thousand deep": with_contract(b"[" * 40_000 + b"]" * 40_000),
    "a list of labels without end": zipped({"labels.txt": b"a\n" * (1 << 27)}),
    "one file of zeros": zipped({"x": bytes(1 << 29)}),
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_small_file_takes_little_memory_to_refuse(what: str, tmp_path: Path) -> None:
    path = tmp_path / "leaf.tflite"
    path.write_bytes(BOMBS[what])
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    peak, said = done.stdout.splitlines()
    assert said.startswith(f"{path}: ")
    assert int(peak) <= 3 * path.stat().st_size + ALLOWED_BYTES


def refused(folder: Path, data: bytes) -> str:
    with pytest.raises(FatalError) as caught:
        load(folder, data)
    said = str(caught.value)
    assert said.startswith(f"{folder}/leaf.tflite: ")
    assert len(said.splitlines()) == 1 and "\x1b" not in said
    return said


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("rust\nERROR: the barn burns", "control characters"),
        ("rust\x1b[2J", "control characters"),
        ("rust\u2028two", "control characters"),
        ("r" * 257, "at most 256 characters"),
    ],
)
def test_labels_are_lines_that_may_be_shown(tmp_path: Path, label: str, says: str) -> None:
    described = contract(labels=["healthy", label], thresholds={})
    said = refused(tmp_path, with_contract(json.dumps(described)))
    assert "labels.1" in said and says in said


def test_the_name_of_what_is_turned_away_is_a_line_too(tmp_path: Path) -> None:
    described = contract(reject={"label": "none\nERROR: x"})
    assert "reject.label" in refused(tmp_path, with_contract(json.dumps(described)))


def test_two_spellings_of_one_label_are_refused_by_name(tmp_path: Path) -> None:
    described = contract(labels=["Blüte", "Blu\u0308te"], thresholds={})
    said = refused(tmp_path, with_contract(json.dumps(described)))
    assert "'Blüte'" in said or "'Blu\u0308te'" in said
    assert "NFC and NFD" in said


def test_emoji_and_cjk_labels_are_as_good_as_others(tmp_path: Path) -> None:
    labels = ["🐄 cow", "病害", "crane", "crane"]
    described = contract(labels=labels, thresholds={"🐄 cow": 0.5})
    assert load(tmp_path, with_contract(json.dumps(described))).contract.labels == tuple(labels)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"labels": [NaN]}', "NaN is no number"),
        ('{"labels": [Infinity]}', "Infinity is no number"),
        ('{"name": "a", "name": "b"}', "a key twice"),
        ('{"name": ' + "9" * 5000 + "}", "cannot be read"),
        (b'{"name": "\xff\xfe"}', "cannot be read"),
        ("", "cannot be read"),
        ("[1, 2]", "hedgerow.json"),
        ('{"input": null}', "hedgerow.json"),
        ('{"' + "k" * 900 + '\\n": 1}', "hedgerow.json"),
    ],
)
def test_json_that_is_no_contract(tmp_path: Path, text: str | bytes, says: str) -> None:
    said = refused(tmp_path, with_contract(text))
    assert "hedgerow.json" in said and says in said and len(said) < 600


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (npz(inputs=SOUND), "lacks outputs.npy"),
        (npz(inputs=SOUND, outputs=npy(HEADER % "3, 4", bytes(12))), "as many outputs as inputs"),
        (npz(inputs=SOUND, outputs=npy(HEADER % "2, 4", bytes(7))), "not as large as it says"),
        (npz(inputs=SOUND, outputs=npy(HEADER % "2, -4", bytes(8))), "no golden vectors have"),
        (npz(inputs=SOUND, outputs=SOUND.replace(b"|i1", b"|O8")), "no golden vectors have"),
        (npz(inputs=SOUND, outputs=SOUND.replace(b"|i1", b"<U9")), "no golden vectors have"),
        (npz(inputs=SOUND, outputs=SOUND.replace(b"False", b"True ")), "no golden vectors have"),
        (npz(inputs=SOUND, outputs=npy("{" * 90)), "golden.npz"),
        (npz(inputs=SOUND, outputs=npy("(" * 110)), "golden.npz"),
        (npz(inputs=SOUND, outputs=npy("__import__('os').abort()")), "golden.npz"),
        (npz(inputs=SOUND, outputs=b"\x80\x04pickle"), "no array"),
        (npz(inputs=npy(HEADER % "0, 4"), outputs=npy(HEADER % "0, 4")), "1 to 256"),
        (b"PK\x05\x06", "golden.npz"),
        (b"", "golden.npz"),
    ],
)
def test_golden_vectors_that_are_none(tmp_path: Path, archive: bytes, says: str) -> None:
    said = refused(tmp_path, with_golden(archive))
    assert "golden.npz: cannot be read: " in said and says in said


def test_golden_vectors_may_hold_every_output(tmp_path: Path) -> None:
    archive = npz(inputs=SOUND, outputs=SOUND, outputs_1=npy(HEADER % "2, 1", b"ab"))
    golden = load(tmp_path, with_golden(archive)).golden
    assert golden is not None and len(golden.others) == 1
    assert golden.others[0].tolist() == [[97], [98]]


def test_a_zip_with_masses_of_files_or_one_twice(tmp_path: Path) -> None:
    many = zipped({f"{number}": b"" for number in range(MOST_FILES + 1)})
    assert f"at most {MOST_FILES}" in refused(tmp_path, many)
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = io.BytesIO(zipped({"hedgerow.json": json.dumps(contract()).encode()}))
        with zipfile.ZipFile(data, "a") as archive:
            archive.writestr("hedgerow.json", json.dumps(contract(labels=["a"], thresholds={})))
    assert "hedgerow.json twice" in refused(tmp_path, data.getvalue())


def test_a_zip_that_says_less_than_it_holds(tmp_path: Path) -> None:
    whole = bytearray(zipped({"hedgerow.json": json.dumps(contract()).encode()}))
    directory = whole.rfind(b"PK\x01\x02")
    whole[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    refused(tmp_path, bytes(whole))


def test_a_file_that_was_cut_off_is_called_that(tmp_path: Path) -> None:
    whole = zipped(
        {
            "hedgerow.json": json.dumps(contract()).encode(),
            "golden.npz": random.Random(1).randbytes(5000),
        }
    )
    for missing in (1, 21, 22, 100, 3000):
        assert "cut off at its end" in refused(tmp_path, whole[:-missing])


def test_bytes_after_the_end_are_noticed(tmp_path: Path) -> None:
    whole = zipped({"hedgerow.json": json.dumps(contract()).encode()})
    assert "1000 bytes follow its end" in refused(tmp_path, whole + bytes(1000))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + 'name = "leaf"\r\nlabels = ["grün"]\r\n'.encode(),
        'name = "leaf"\nlabels = ["grün"]\n'.encode("cp1252"),
        b"\xff\xfe" + 'name = "leaf"\nlabels = ["grün"]\n'.encode("utf-16-le"),
    ],
    ids=["bom and crlf", "latin-1", "utf-16"],
)
def test_a_model_toml_as_editors_save_it(tmp_path: Path, content: bytes) -> None:
    table = b"input = { width = 8, height = 8 }\n"
    encoding = "utf-16-le" if content[:2] == b"\xff\xfe" else "ascii"
    (tmp_path / "model.toml").write_bytes(content + table.decode().encode(encoding))
    assert load(tmp_path, FLATBUFFER).contract.labels == ("grün",)


@pytest.mark.parametrize(
    "content",
    [b"a = " + b"[" * 20_000, b"a = [" + b"1," * 60_000 + b"]", b"#" * (2 << 20), b"\x00\x01"],
    ids=["deep", "many", "large", "binary"],
)
def test_a_model_toml_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.toml").write_bytes(content)
    with pytest.raises(FatalError) as caught:
        load(tmp_path, FLATBUFFER)
    assert str(caught.value).startswith(f"{tmp_path}/model.toml: ")
    assert len(str(caught.value)) < 400


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="is no file"):
        model.load(Path("/dev/zero"))


def test_the_shipped_models_load() -> None:
    for path in sorted((Path(__file__).parents[2] / "models").glob("*/model.tflite")):
        golden = model.load(path).golden
        assert golden is not None and np.issubdtype(golden.inputs.dtype, np.int8)
