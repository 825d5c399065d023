"""Delegates are proved before use, replaced when they fail, and not trusted after crashes."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Timer

import cv2
import numpy as np
import pytest

from edge import model
from edge.errors import FatalError, TransientError
from edge.preprocess import Preprocess
from edge.runtime import verify
from edge.runtime.crashes import Crashes
from edge.runtime.runtime import Limits, Runtime, Setup, open_runtime, start
from edge.runtime.schedule import Schedule
from edge.runtime.watched import check_finite
from edge.types import TensorSpec
from tests.conftest import TESTDATA, VWW, VWW_CONTRACT
from tests.integration.test_real_models import opened

Delegate = Callable[..., str]
QUICK = Limits(threads=1, invoke_s=0.5, open_s=2, retry_s=0.2)


@pytest.fixture
def float_vww(testdata: Path, tmp_path: Path) -> model.Model:
    """The person classifier with float outputs."""
    path = tmp_path / "float.tflite"
    shutil.copy(testdata / VWW.relative_to(TESTDATA).with_name("vww_96_float.tflite"), path)
    path.with_name("model.toml").write_text(
        VWW_CONTRACT.replace("96 }", "96, mean = [0], std = [255] }")
    )
    return model.load(path)


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
    with closing(open_runtime(model.load(vww), (name, "cpu"))) as runtime:
        assert (runtime.delegate, runtime.refused, runtime.changes) == (name, (), 0)
        verified = (tmp_path / "count").stat().st_size
        assert verified >= verify.PICTURES
        infer(runtime)
        assert (tmp_path / "count").stat().st_size >= verified + verify.PICTURES


def test_a_delegate_that_claims_nothing_is_said_so(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    """The CPU would compute all: where it may, it does so itself, under its own name."""
    name = delegate(claim="no")
    with closing(open_runtime(model.load(vww), (name, "cpu"))) as runtime:
        assert runtime.delegate == "cpu"
        assert "takes none of the model's operators" in runtime.refused[0].reason
    with closing(open_runtime(model.load(vww), (name,))) as runtime:
        infer(runtime)
        assert runtime.delegate == name
        assert "took none of the model's operators" in runtime.notes[name]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "wrong"}, "its answers differ from the CPU's by"),
        ({"mode": "fail"}, "the delegate's device was unplugged"),
        ({"mode": "hang"}, "does not start: it did not come back within 2 s"),
        ({"mode": "slow", "ms": 300}, r"takes 3\d\d ms for an inference, the CPU"),
        ({"colour": "red"}, "does not open: .* unknown option"),
    ],
)
def test_a_delegate_that_is_not_right_is_refused_with_the_reason(
    vww: Path, delegate: Delegate, options: dict[str, object], reason: str
) -> None:
    limits = Limits(open_s=2 if options.get("mode") == "hang" else 60)
    with closing(open_runtime(model.load(vww), (delegate(**options), "cpu"), limits)) as runtime:
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


def test_a_delegate_that_ends_its_process_is_skipped_after_the_second_time(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    """Over restarts too; the daemon itself goes on."""
    loaded, name, state = model.load(vww), delegate(mode="exit"), tmp_path / "state"
    ending = "exit status 3"

    def opened() -> str:
        with closing(open_runtime(loaded, (name, "cpu"), state_dir=state)) as runtime:
            infer(runtime)
            assert runtime.delegate == "cpu"
            return runtime.refused[0].reason

    assert opened().startswith(f"its process ended with {ending}")
    assert opened().startswith(f"its process ended with {ending}")
    assert opened().startswith("crashed 2 times; delete ")
    (state / "delegate-crashes.json").unlink()
    assert opened().startswith(f"its process ended with {ending}")


def test_crashes_are_forgotten_when_it_has_worked_for_long(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path)
    for _ in range(2):
        crashes.count("gpu")
    assert Crashes(tmp_path).refusal("gpu") == (
        f"crashed 2 times; delete {tmp_path / 'delegate-crashes.json'} to try it again"
    )
    crashes.forgive("gpu")
    assert Crashes(tmp_path).refusal("gpu") is None
    (tmp_path / "delegate-crashes.json").write_text("[half")
    assert Crashes(tmp_path).refusal("gpu") is None


def test_the_cpu_answers_while_a_delegate_hangs_in_prepare_and_when_it_is_tried_again(
    vww: Path, delegate: Delegate
) -> None:
    """LiteRT holds Python's lock meanwhile: nobody in that process could do anything."""
    setup = Setup(
        model.load(vww), (delegate(mode="hang", at="prepare"), "cpu"), Limits(2, 0.5, 1, 0.2)
    )
    with closing(start(setup, patience_s=0.1)) as runtime:
        assert runtime.refused[0].reason == "is being opened; cpu answers meanwhile"
        tensor, longest_s = next(verify.seeded(runtime.input)), 0.0
        until_s = time.monotonic() + 30
        while "trying again in 0.4" not in runtime.refused[0].reason:
            began_s = time.monotonic()
            runtime.infer(tensor)
            longest_s = max(longest_s, time.monotonic() - began_s)
            time.sleep(0.002)
            assert began_s < until_s
        assert longest_s < 0.8, "no frame waits, not in a retry either"


@pytest.mark.parametrize("at", ["open", "invoke"])
def test_a_stop_ends_the_waiting_for_a_delegate_without_which_nothing_runs(
    vww: Path, delegate: Delegate, at: str
) -> None:
    stop, began_s = Event(), time.monotonic()
    Timer(1.0, stop.set).start()
    with pytest.raises(FatalError, match="stopped while it was opened"):
        start(Setup(model.load(vww), (delegate(mode="hang", at=at),)), stop)
    assert time.monotonic() - began_s < 10


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"mode": "wrong"}, "its answers differ"),
        ({"mode": "zero"}, "its answers differ"),
        ({"mode": "nan"}, "holds NaN or infinity|answers differ .* by nan"),
        ({"mode": "exit"}, "its process ended with exit status 3"),
        ({"mode": "crash"}, "its process ended with SIGSEGV"),
        ({"mode": "slow", "ms": 250}, r"takes 2\d\d ms for an inference, the CPU"),
    ],
)
def test_one_that_goes_wrong_while_it_runs_is_found_and_no_answer_is_wrong(
    float_vww: model.Model, delegate: Delegate, options: dict[str, object], reason: str
) -> None:
    """From the hundredth inference on; the CPU answers for the frame at which it is found."""
    name = delegate(after=100, **options)
    with closing(open_runtime(float_vww, (name, "cpu"), Limits(1))) as runtime:
        assert runtime.delegate == name
        tensors = list(verify.seeded(runtime.input))
        right = [runtime.infer(tensor)[0] for tensor in tensors]
        wrong = 0
        for number in range(120):
            answer = runtime.infer(tensors[number % 4])[0]
            wrong += not np.allclose(answer, right[number % 4], atol=1e-3)
            time.sleep(0.005)
        assert runtime.delegate == "cpu"
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(runtime.refused[0].reason)
        assert wrong <= 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_answer_holds_what_is_no_number(value: float) -> None:
    spec = TensorSpec("scores", (1, 3), np.dtype(np.float32))
    check_finite(np.full((1, 3), 3e38, np.float32), spec)  # whose sum is infinite
    with pytest.raises(FatalError, match="'scores' holds NaN or infinity"):
        check_finite(np.array([[0.5, value, -value]], np.float32), spec)


def test_a_little_slower_than_the_cpu_is_a_note(vww: Path, delegate: Delegate) -> None:
    name = delegate(mode="slow", ms=40)
    with closing(open_runtime(model.load(vww), (name, "cpu"))) as runtime:
        assert runtime.delegate == name
        assert "ms for an inference, the CPU" in runtime.notes[name]


def test_a_delegate_that_fails_gives_way_to_the_cpu_and_then_to_the_next_of_the_list(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    """No frame waits until that one is open."""
    first = delegate(mode="fail", switch=tmp_path / "now")
    second = delegate(mode="slow", at="prepare", ms=700)
    with closing(open_runtime(model.load(vww), (first, second, "cpu"), QUICK)) as runtime:
        assert runtime.delegate == first
        (tmp_path / "now").touch()
        infer(runtime)
        assert runtime.delegate == "cpu"
        until(lambda: runtime.delegate == second, 30)


def test_what_a_delegate_is_called_by_lies_nowhere_else(
    vww: Path, delegate: Delegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process takes no code from the folder in which the daemon was started."""
    (tmp_path / "numpy.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    with closing(open_runtime(model.load(vww), (delegate(),))) as runtime:
        infer(runtime)


def test_a_delegates_process_ends_with_the_daemon_even_where_it_hangs(
    vww: Path, delegate: Delegate, tmp_path: Path
) -> None:
    """Killed as hard as can be, while the library holds Python's lock."""
    command = [sys.executable, "-c", OPEN, str(vww), delegate(mode="hang", at="prepare")]
    daemon = subprocess.Popen([*command, str(tmp_path)])
    tasks = Path(f"/proc/{daemon.pid}/task")

    def guests() -> list[int]:
        found = [int(n) for task in tasks.glob("*/children") for n in task.read_text().split()]
        return [pid for pid in found if b"edge.runtime.inside" in cmdline(pid)]

    until(lambda: bool(guests()), 30)
    time.sleep(1.0)
    (guest,) = guests()
    daemon.kill()
    daemon.wait()
    until(lambda: b"edge.runtime.inside" not in cmdline(guest))


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_delegate_that_failed_is_tried_again_less_and_less_often() -> None:
    schedule = Schedule(("a", "b"), 60.0)
    assert schedule.next(("a", "b"), 0.0) == ("a", 0.0)
    assert [schedule.failed("a", 0.0) for _ in range(8)] == [
        60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0,
    ]  # fmt: skip
    assert schedule.next(("a", "b"), 1.0) == ("b", 0.0)
    schedule.never("b")
    assert schedule.next(("a", "b"), 1.0) == (None, 3599.0)
    schedule.forgive("a")
    assert schedule.failed("a", 1.0) == 60.0
    assert schedule.next((), 1.0) == (None, None)


@pytest.mark.usefixtures("vulkan")
def test_the_gpu_gives_the_right_answer(testdata: Path, tmp_path: Path) -> None:
    """mobilenet_v1_0.25_128_quant sees the cat, as cases.json states."""
    loaded, _ = opened(testdata / "models/coral/mobilenet_v1_0.25_128_quant.tflite", tmp_path)
    runtime = open_runtime(loaded, ("gpu",))  # in software it is far slower than the CPU
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
