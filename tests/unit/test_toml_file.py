"""Every key of a TOML file is found on its line."""

import tomllib
from pathlib import Path

import pytest

from edge.config import load
from edge.errors import FatalError
from edge.toml_file import places

REPOSITORY = Path(__file__).resolve().parents[2]

TEXT = """# [not.a.table]
device = "a#=[b"

[source.yard]   # a comment = 1
uri = 'usb:0' # [x]
polygon = [
  [0.1, 0.2], # ]
  [1, 2],
]
text = \"\"\"
[no]
a = "3"
\"\"\"
raw = '''
b = [ '''
[source."The \\"Barn".zone.gate]
'x y'.z = { a = 1, b = [2] }
v4l2.format = 'auto'
[[several]]
q = 1
"""


def test_the_line_of_each_key() -> None:
    lines, headers = places(TEXT)
    gate = ("source", 'The "Barn', "zone", "gate")
    assert lines == {
        ("device",): 2,
        ("source", "yard"): 4,
        ("source", "yard", "uri"): 5,
        ("source", "yard", "polygon"): 6,
        ("source", "yard", "text"): 10,
        ("source", "yard", "raw"): 14,
        gate: 16,
        (*gate, "x y"): 17,
        (*gate, "x y", "z"): 17,
        (*gate, "v4l2"): 18,
        (*gate, "v4l2", "format"): 18,
        ("several",): 19,
        ("several", "q"): 20,
    }
    assert headers == {4: ("source", "yard"), 16: gate, 19: ("several",)}


def test_the_lines_of_the_shipped_file() -> None:
    text = (REPOSITORY / "systemd/edge.toml").read_text()
    lines, _ = places(text)
    rows = text.splitlines()
    keys = {(t, k) for t, table in tomllib.loads(text).items() for k in table}
    assert {key for key in lines if len(key) == 2} == keys
    for key, number in lines.items():
        assert rows[number - 1].startswith(str(key[-1]) if len(key) == 2 else f"[{key[0]}]")


def test_an_unknown_key_is_told_with_the_line_on_which_it_stands(tmp_path: Path) -> None:
    rows = (REPOSITORY / "systemd/edge.toml").read_text().splitlines()
    path = tmp_path / "edge.toml"
    for number in range(0, len(rows), 17):
        path.write_text("\n".join([*rows[:number], "zzz = [\n  1, # [x]\n]", *rows[number:]]))
        with pytest.raises(FatalError) as caught:
            load(path)
        (line,) = caught.value.lines
        assert line.startswith(f"{path}: line {number + 1}: ") and "zzz: unknown key" in line
