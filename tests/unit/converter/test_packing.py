"""Classifiers made elsewhere, wrapped: what their outputs mean is told from the graph, or asked."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converter.evaluation import evaluate
from converter.heads import Seen, scores_of
from converter.metadata import with_metadata
from converter.options import Options
from converter.packing import pack_file
from edge import model
from edge.errors import FatalError
from edge.flatbuffer import metadata
from edge.head import OutputContract
from edge.model import Contract, InputContract
from edge.runtime import proof
from edge.runtime.litert import LiteRt
from edge.types import Fit, Image
from tests.conftest import TESTDATA
from tests.foreign import FLOAT, INT8, Change, both, broken, changed, logits, pooled, top_k
from tests.unit.test_flatbuffer import more_inputs

LABELS = ("no_person", "person")
ASKED = Options(labels=LABELS, progress=False)
IMAGE = np.random.default_rng(5).integers(0, 256, (96, 96, 3), np.uint8)
pytestmark = pytest.mark.usefixtures("testdata")


def packed(folder: Path, content: bytes, *head: str) -> model.Model:
    source, out = folder / "foreign.tflite", folder / "packed.tflite"
    source.write_bytes(content)
    pack_file(source, out, "classify", replace(ASKED, head=head))
    return model.load(out)


def answer(loaded: model.Model, image: Image) -> list[tuple[str, float]]:
    runtime = LiteRt("", loaded.flatbuffer, 1)
    decode = proof.decoder(loaded, runtime.input, runtime.outputs)
    tensor = (image[None] / 255).astype(np.float32)
    return [(d.label, round(d.score, 3)) for d in decode(runtime.infer(tensor), Fit(0, 0, 1, 1))]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, float]]:
    return answer(packed(tmp_path_factory.mktemp("plain"), FLOAT.read_bytes()), IMAGE)


@pytest.mark.parametrize(
    ("change", "head", "output"),
    [
        (logits, (), OutputContract(kind="logits")),
        (both, ("tensors=[0]",), OutputContract(kind="logits", tensors=(0,))),
        (pooled, (), OutputContract(tensors=(1,))),
    ],
)
def test_other_ends_of_a_network_give_the_same_answers(
    tmp_path: Path,
    plain: list[tuple[str, float]],
    change: Change,
    head: tuple[str, ...],
    output: OutputContract,
) -> None:
    other = packed(tmp_path, changed(FLOAT, change), *head)
    assert other.contract.output == output
    assert answer(other, IMAGE) == plain
    described = metadata.describe(other.flatbuffer)
    assert described is not None
    assert described.place == (output.tensors or (0,))[0]
    assert described.logits == (output.kind == "logits")


def test_evaluate_reads_the_output_that_counts(tmp_path: Path) -> None:
    packed(tmp_path, changed(FLOAT, pooled))
    for label in LABELS:
        pictures = TESTDATA / f"images/vww01-open/{label}"
        (tmp_path / "data" / label).mkdir(parents=True)
        for picture in sorted(pictures.glob("*.png"))[:15]:
            (tmp_path / "data" / label / picture.name).symlink_to(picture)
    facts = evaluate(tmp_path / "packed.tflite", tmp_path / "data", progress=False)
    assert facts["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("change", "head", "says"),
    [
        (more_inputs, (), "takes 2 inputs"),
        (broken, (), "holds no numbers (NaN) for any of 4 pictures"),
        (top_k, (), "its scores come from TOPK_V2"),
        (both, (), "--head: several outputs have 2 values (0: "),
        (logits, ("kind=probabilities",), "holds scores from -"),
    ],
)
def test_what_cannot_be_used_rightly_is_one_line(
    tmp_path: Path, change: Change, head: tuple[str, ...], says: str
) -> None:
    with pytest.raises(FatalError) as caught:
        packed(tmp_path, changed(FLOAT, change), *head)
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.tflite"]


def scores(*told: str) -> OutputContract:
    """What is made of logits and probabilities."""
    specs = LiteRt("", changed(INT8, both), 1).outputs
    return scores_of(Seen(changed(INT8, both), (96, 96), 2, specs, ()), told)


def test_which_output_a_classifier_is_read_from() -> None:
    assert scores("tensors=[0]") == OutputContract(kind="logits", tensors=(0,))
    assert scores("tensors=[1]") == OutputContract(tensors=(1,))
    assert scores("tensors=[1]", "kind=logits") == OutputContract(kind="logits", tensors=(1,))
    for told, says in (
        ((), "several outputs have 2 values"),
        (("kind=likely", "tensors=[0]"), "--head: kind: Input should be"),
        (("nms.iou=0.5",), "--head: describes a detector's outputs: .*not nms"),
        (("layout=yolov8",), "add --task detect"),
    ):
        with pytest.raises(FatalError, match=says):
            scores(*told)


def test_tflite_metadata_of_a_network_without_softmax(tmp_path: Path) -> None:
    """No key of it says so: the graph does."""
    contract = Contract(name="m", input=InputContract(width=96, height=96), labels=LABELS)
    path = tmp_path / "foreign.tflite"
    path.write_bytes(with_metadata(changed(FLOAT, logits), contract))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "\n".join(LABELS))
    loaded = model.load(path)
    assert loaded.contract.output.kind == "logits"
    runtime = LiteRt("", loaded.flatbuffer, 1)
    proof.decoder(loaded, runtime.input, runtime.outputs)


def test_the_terminal_says_what_was_told_from_the_graph(tmp_path: Path) -> None:
    (tmp_path / "f.tflite").write_bytes(changed(FLOAT, logits))
    command = [sys.executable, "-m", "converter", "pack", "f.tflite", "--labels", "a,b"]
    done = subprocess.run(
        [*command, "--out", "o.tflite"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "outputs: kind logits" in done.stdout
    with zipfile.ZipFile(tmp_path / "o.tflite") as archive:
        assert json.loads(archive.read("hedgerow.json"))["output"]["kind"] == "logits"
