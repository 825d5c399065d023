"""Delegates are proved before use, replaced when they fail, and not trusted after crashes."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import model
from edge.errors import FatalError, TransientError
from edge.preprocess import Preprocess
from edge.runtime import verify
from edge.runtime.runtime import Limits, Runtime, open_runtime
from tests.integration.test_real_models import opened

Delegate = Callable[..., str]
QUICK = Limits(threads=1, invoke_s=0.5, open_s=1, retry_s=0.2)


def infer(runtime: Runtime) -> None:
    for tensor in verify.seeded(runtime.input):
        runtime.infer(tensor)


def until(condition: Callable[[], bool], limit_s: float = 10) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_an_external_delegate_that_is_right_is_used(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    name = delegate(count=tmp_path / "count")
    runtime = open_runtime(model.load(vww), (name, "cpu"))
    assert (runtime.delegate, runtime.refused) == (name, ())
    verified = (tmp_path / "count").stat().st_size
    assert verified == verify.PICTURES
    infer(runtime)
    assert (tmp_path / "count").stat().st_size == verified + verify.PICTURES


def test_a_delegate_that_claims_nothing_is_prepared_and_the_cpu_computes(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    name = delegate(count=tmp_path / "count", claim="no")
    runtime = open_runtime(model.load(vww), (name,))
    infer(runtime)
    assert runtime.delegate == name
    assert (tmp_path / "count").stat().st_size == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "wrong"}, "its answers differ from the CPU's by"),
        ({"mode": "fail"}, "the delegate's device was unplugged"),
        ({"mode": "hang"}, "does not start: it did not come back within 1 s"),
        ({"colour": "red"}, "does not open: .* unknown option"),
    ],
)
def test_a_delegate_that_is_not_right_is_refused_with_the_reason(
    vww: Path, delegate: Delegate, options: dict[str, str], reason: str
) -> None:
    runtime = open_runtime(model.load(vww), (delegate(**options), "cpu"), Limits(open_s=1))
    assert runtime.delegate == "cpu"
    (refusal,) = runtime.refused
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(refusal.reason)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("edgetpu", "libedgetpu.so.1 cannot be loaded: .*; install libedgetpu1-std"),
        ("external:/nowhere/lib.so", "there is no /nowhere/lib.so"),
        ("external:", "unknown delegate 'external:'; known: cpu, gpu"),
    ],
)
def test_delegates_that_are_not_there(
    vww: Path, capfd: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    with pytest.raises(FatalError, match=reason):
        open_runtime(model.load(vww), (name,))
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("mode", ["fail", "hang"])
def test_the_next_delegate_takes_over_and_the_better_one_comes_back(
    vww: Path, delegate: Delegate, tmp_path: Path, mode: str
) -> None:
    trigger = tmp_path / "now"
    name = delegate(mode=mode, switch=trigger)
    runtime = open_runtime(model.load(vww), (name, "cpu"), QUICK)
    expected = [runtime.infer(tensor)[0] for tensor in verify.seeded(runtime.input)]
    trigger.touch()
    answers = [runtime.infer(tensor)[0] for tensor in verify.seeded(runtime.input)]
    assert np.array_equal(answers, expected), "no frame is lost"
    assert (runtime.delegate, runtime.changes) == ("cpu", 1)
    assert "failed while running" in runtime.refused[0].reason
    until(lambda: "trying again in" in runtime.refused[0].reason)
    trigger.unlink()
    until(lambda: runtime.delegate == name)
    assert (runtime.refused, runtime.changes) == ((), 2)
    infer(runtime)
    runtime.close()


def test_where_no_delegate_is_left_the_daemon_ends_and_is_restarted(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    runtime = open_runtime(
        model.load(vww), (delegate(mode="fail", switch=tmp_path / "now"),), QUICK
    )
    (tmp_path / "now").touch()
    with pytest.raises(TransientError, match=r"no delegate runs this model: .*unplugged"):
        infer(runtime)


OPEN = """
import sys
from pathlib import Path
from edge import model
from edge.runtime.runtime import open_runtime
path, delegate, state = sys.argv[1:]
runtime = open_runtime(model.load(Path(path)), (delegate, "cpu"), state_dir=Path(state))
print(runtime.delegate, [refusal.reason for refusal in runtime.refused])
"""


def in_a_process(model: Path, name: str, state: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OPEN, str(model), name, str(state)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_delegate_that_crashes_the_process_is_skipped_after_the_second_time(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    def start() -> subprocess.CompletedProcess[str]:
        return in_a_process(vww, delegate(mode="crash"), tmp_path / "state")

    assert start().returncode == start().returncode == -11
    third = start()
    assert third.returncode == 0, third.stderr
    assert third.stdout.startswith("cpu ['crashed the process 2 times; delete ")
    (tmp_path / "state/delegate-crashes.json").unlink()
    assert start().returncode == -11


@pytest.mark.usefixtures("vulkan")
def test_the_gpu_gives_the_right_answer(testdata: Path, tmp_path: Path) -> None:
    """mobilenet_v1_0.25_128_quant sees the cat, as cases.json states."""
    loaded, _ = opened(testdata / "models/coral/mobilenet_v1_0.25_128_quant.tflite", tmp_path)
    runtime = open_runtime(loaded, ("gpu", "cpu"))
    assert (runtime.delegate, runtime.refused) == ("gpu", ())
    image = np.asarray(cv2.imread(str(testdata / "images/coral/cat.bmp")), np.uint8)
    tensor, _ = Preprocess(loaded.contract.input, runtime.input)(image)
    scores = runtime.output.dequantize(runtime.infer(tensor)[0]).ravel()
    assert 283 in np.argsort(-scores)[:3] and scores[283] >= 0.25


@pytest.mark.usefixtures("vulkan")
def test_a_gpu_that_computes_something_else_is_refused(testdata: Path, tmp_path: Path) -> None:
    """The accelerator mistakes the strides of MLPerf's ResNet8 (it warns of a shape mismatch)."""
    path = testdata / "models/mlperf-tiny/ic_resnet8/pretrainedResnet_quant.tflite"
    (tmp_path / "model.toml").write_text(
        'name = "r"\nlabels = ["a"]\ninput = { width = 32, height = 32 }\n'
    )
    loaded, _ = opened(path, tmp_path)
    runtime = open_runtime(loaded, ("gpu", "cpu"))
    assert runtime.delegate == "cpu"
    assert "its answers differ from the CPU's by" in runtime.refused[0].reason


@pytest.mark.usefixtures("vulkan")
def test_the_cpu_helps_out_where_the_gpu_lacks_operators(testdata: Path, tmp_path: Path) -> None:
    path = testdata / "models/tflite-support/mobilenet_v1_0.25_224_1_metadata_1.tflite"
    loaded, _ = opened(path, tmp_path)
    assert open_runtime(loaded, ("gpu",)).delegate == "gpu"


def test_without_a_vulkan_driver_the_gpu_is_refused(
    vww: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nowhere/icd.json")
    done = in_a_process(vww, "gpu", tmp_path)
    assert done.stdout.startswith("cpu ")
    assert "is there a Vulkan driver" in done.stdout
