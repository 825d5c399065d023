"""Fine-tuning: the replica computes what the int8 file computes, and training brings it nearer."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from converter import Options, convert
from converter.bias import correct
from converter.flatbuffer import unpack
from converter.layer_error import layer_errors
from converter.layers import linears
from converter.measure import scores
from edge.runtime.litert import LiteRt
from tests.lab import Lab, on_its_way

OPTIONS = Options(normalize="0..1", progress=False)

CHILD = """
import sys
from pathlib import Path
import numpy as np
from converter.replica import Replica

network, int8 = (Path(name).read_bytes() for name in sys.argv[1:3])
images = np.load(sys.argv[3]).astype(np.float32) / 255
np.save(sys.argv[4], np.asarray(Replica(network, int8).int8(images)))
"""


TRAINING = """
import sys
from pathlib import Path
import numpy as np
from converter.measure import Feed
from converter.replica import Replica
from converter.tuning import divergence, normalized, train
from edge.model import InputContract

network, int8 = (Path(name).read_bytes() for name in sys.argv[1:3])
pixels = np.load(sys.argv[3])
feed = Feed(pixels, InputContract(width=pixels.shape[2], height=pixels.shape[1]))
replica, random = Replica(network, int8), np.random.default_rng(0)
for weights in replica.weights:
    weights.assign_add(random.normal(0, 80, weights.shape))

def distance():
    images = normalized(feed.pixels[:], feed.contract)
    wanted, centers = replica.float(images)
    return float(divergence(wanted + 1e-7, replica.int8(images, centers) + 1e-7))

before = distance()
train(replica, [feed], "probabilities", rate=0.1)
print(before, distance())
"""


@pytest.fixture(scope="module")
def lab(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    pictures, scratch = material / "pictures", tmp_path_factory.mktemp("lab")
    with on_its_way(material / "stripes.keras", pictures, scratch, OPTIONS) as lab:
        yield lab


def _strays(lab: Lab, folder: Path) -> float:
    """How far the replica's answers lie from the int8 file's at most, in steps of its output."""
    answers = folder / "answers.npy"
    command = [sys.executable, "-c", CHILD, *_written(lab, folder), str(answers)]
    subprocess.run(command, check=True, capture_output=True)
    int8 = LiteRt("int8", lab.int8, threads=1)
    away = np.abs(np.load(answers) - scores(int8, lab.choosing, "", progress=False)).max()
    return float(away / int8.outputs[0].scale)


def _written(lab: Lab, folder: Path) -> list[str]:
    """Float network, int8 file and the choosing pictures, for a child."""
    files = [folder / name for name in ("network", "int8", "pixels.npy")]
    files[0].write_bytes(lab.network)
    files[1].write_bytes(lab.int8)
    np.save(files[2], lab.choosing.pixels[:])
    return [str(file) for file in files]


def test_the_replica_answers_as_the_int8_file(lab: Lab, tmp_path: Path) -> None:
    """Up to a step, in which the softmax's own rounding lies, and the replica's missing one."""
    assert _strays(lab, tmp_path) <= 2


def test_the_replica_knows_normalised_layers(material: Path, tmp_path: Path) -> None:
    """Layer normalisation with its variance in float, a dense layer at every place, GELU."""
    pictures = material / "pictures"
    with on_its_way(material / "normalised.keras", pictures, tmp_path, OPTIONS) as lab:
        assert _strays(lab, tmp_path) <= 2


def test_biases_corrected_together_do_not_count_twice(lab: Lab) -> None:
    """Large networks are corrected several layers at a time; here all at once."""
    feed = lab.bench.feed(lab.bench.calibration)
    spoiled = _spoiled(lab)
    apart = correct(lab.network, spoiled, feed, progress=False)
    together = correct(lab.network, spoiled, feed, progress=False, budget=1.0)
    assert apart != together
    before = _error_of_the_logits(lab, spoiled)
    assert _error_of_the_logits(lab, apart) < before / 10
    assert _error_of_the_logits(lab, together) < before / 10


def _error_of_the_logits(lab: Lab, flatbuffer: bytes) -> float:
    """Not of the scores: this network is so sure that they hardly move."""
    rows = layer_errors(lab.network, flatbuffer, lab.choosing)
    return next(float(row["error"]) for row in rows if row["operator"] == "FULLY_CONNECTED")


def _spoiled(lab: Lab) -> bytes:
    """The int8 file with a shift in its second layer."""
    from ai_edge_litert import schema_py_generated as schema

    spoiled = bytearray(lab.int8)
    layer = linears(unpack(lab.int8))[1]
    bias = schema.Model.GetRootAs(spoiled).Buffers(layer.bias_buffer).DataAsNumpy()
    bias.view(np.int32)[:] += (0.3 / layer.bias_scale).astype(np.int32)
    return bytes(spoiled)


def _distances(lab: Lab, folder: Path) -> tuple[float, float]:
    """From float, before and after training of the replica with coarse weights."""
    command = [sys.executable, "-c", TRAINING, *_written(lab, folder)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    before, after = map(float, ran.stdout.split())
    return before, after


def test_training_brings_coarse_weights_nearer_to_float(lab: Lab, tmp_path: Path) -> None:
    before, after = _distances(lab, tmp_path)
    assert after < before / 2


def test_training_survives_a_shortcut_of_stride_2(material: Path, tmp_path: Path) -> None:
    """As in every ResNet: TensorFlow's own gradient of it writes past the end of its memory."""
    pictures = material / "pictures"
    with on_its_way(material / "shortcut.keras", pictures, tmp_path, OPTIONS) as lab:
        before, after = _distances(lab, tmp_path)
    assert after < before


def test_the_greatest_effort_tries_it(material: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.tflite"
    options = Options(effort="max", progress=False)
    report = convert(material / "stripes.keras", material / "pictures", out, options).report
    tried = {row["name"]: row for row in report["tried"]}
    tuned = next(row for name, row in tried.items() if "fine-tuning" in name)
    assert tuned["agreement"] == 1.0
    assert not any("last layer in float" in name for name in tried), "no label is changed"
    assert not any("no fine-tuning" in note for note in report["notes"])
