"""The same package and model on a Raspberry Pi's processor, emulated: a Cortex-A76.

The project's own installer makes it there, from wheels. The Debian under it takes a quarter of an
hour to make, once.
"""

import json
from collections.abc import Iterator

import pytest

from tests.conftest import REPOSITORY
from tests.device.conftest import configure, installed, until_status
from tests.device.vm import Machine

GOLDEN = """
import json, platform
from pathlib import Path
import numpy as np
from edge import model
from edge.runtime.delegates import cpu
loaded = model.load(Path("/usr/local/share/hedgerow/person.tflite"))
interpreter = cpu(loaded, 1)
worst = differ = values = top = 0
for image, expected in zip(loaded.golden.inputs, loaded.golden.outputs):
    answer = interpreter.infer(image[None])[0][0].astype(int)
    apart = np.abs(answer - expected.astype(int))
    worst, values = max(worst, int(apart.max())), values + apart.size
    differ += int((apart > 0).sum())
    top += int(answer.argmax() == expected.argmax())
print(json.dumps({"machine": platform.machine(), "worst": worst, "differ": differ,
                  "values": values, "top": top, "pictures": len(loaded.golden.inputs)}))
"""


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    scratch = tmp_path_factory.mktemp("bundle")
    with Machine(*installed("arm64", REPOSITORY, scratch)) as machine:
        yield machine


def test_it_was_installed_from_wheels_and_runs(pi: Machine) -> None:
    assert pi.run("uname -m").strip() == "aarch64"
    assert pi.run("systemctl is-active edge mosquitto").split() == ["active", "active"]


def test_golden_vectors_give_the_same_outputs_as_on_x86(pi: Machine) -> None:
    pi.run(f"cat > /root/golden.py <<'END'\n{GOLDEN}END")
    said = pi.run("/opt/hedgerow/current/bin/python /root/golden.py")
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    print(f"\n{found}")
    assert found["machine"] == "aarch64"
    assert found["top"] == found["pictures"] > 0
    assert found["worst"] <= 1, "quantisation steps"


def test_labels_arrive(pi: Machine) -> None:
    configure(pi, "[feed]\nobservations = true")
    until_status(pi, "cam ", "frames/s", "broker connected")
    text = pi.run("timeout 250 mosquitto_sub -C 1 -t hedgerow/lab/cam/observation")
    assert json.loads(text)["label"] in ("person", "no_person")
