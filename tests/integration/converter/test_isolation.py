"""What reads the model file has no network."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from converter import Options, convert

CHILD = """
import encodings.idna, os, socket, sys
from converter.isolation import leave_network

os.setresgid(*[int(sys.argv[3])] * 3)
os.setresuid(*[int(sys.argv[3])] * 3)
permitted = leave_network()
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)
except OSError:
    print(permitted, "alone")
else:
    print(permitted, "reached")
open(sys.argv[2], "w").write("files are still there")
"""
NOBODY = 65534


@pytest.mark.parametrize("user", [os.geteuid(), NOBODY])
def test_it_says_truly_whether_the_network_is_gone(user: int) -> None:
    user = user if os.geteuid() == 0 else os.geteuid()
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        os.chown(folder, user, -1)
        file, port = Path(folder) / "file", str(server.getsockname()[1])
        command = [sys.executable, "-c", CHILD, port, str(file), str(user)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.stdout.split() in (["True", "alone"], ["False", "reached"]), ran.stderr
        assert file.exists()


def test_code_in_a_model_reaches_nothing(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options(
        custom_objects=("tests.dialling:Doubling",), effort="fast", max_drop=100, progress=False
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HEDGEROW_TEST_PORT", str(server.getsockname()[1]))
        out = tmp_path / "m.tflite"
        report = convert(material / "custom.keras", material / "pictures", out, options).report
    assert not any("with a network" in note for note in report["notes"])
