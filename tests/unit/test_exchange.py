"""An accelerator that lets only one in is handed over: closed first, and back where it must be."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from edge import model
from edge.cli.measure import Made, pipeline
from edge.config import Config
from edge.daemon.parts import LostError, Part, exchanged
from edge.errors import FatalError
from edge.runtime import verify
from edge.runtime.runtime import ExchangedError, Limits, NoDelegateError, Setup, start
from edge.runtime.runtime import Runtime as Opened
from tests.conftest import REPOSITORY

Delegate = Callable[..., str]
QUICK = Limits(threads=1, invoke_s=0.5, open_s=5, retry_s=0.2)


@pytest.fixture
def exclusive(delegate: Delegate, tmp_path: Path) -> str:
    return delegate(lock=tmp_path / "device", switch=tmp_path / "now", mode="fail")


@pytest.fixture
def setup(vww: Path, exclusive: str, tmp_path: Path) -> Setup:
    return Setup(model.load(vww), (exclusive, "cpu"), QUICK, tmp_path / "state")


@pytest.fixture
def runtime(setup: Setup) -> Iterator[Opened]:
    with closing(start(setup)) as opened:
        assert (opened.delegate, opened.refused) == (setup.delegates[0], ())
        yield opened


def answers(runtime: Opened) -> list[object]:
    return [runtime.infer(tensor)[0].tolist() for tensor in verify.seeded(runtime.input)]


def test_an_exclusive_accelerator_is_closed_before_it_is_opened_anew(
    runtime: Opened, setup: Setup
) -> None:
    before = answers(runtime)
    called: list[int] = []
    for threads in (2, 1, 3):
        limits = dataclasses.replace(QUICK, threads=threads)
        runtime.exchange(dataclasses.replace(setup, limits=limits), partial(called.append, threads))
        assert (runtime.delegate, runtime.refused) == (setup.delegates[0], ())
    assert called == [2, 1, 3]
    assert answers(runtime) == before


def test_what_cannot_be_opened_is_refused_and_what_ran_runs_on(
    runtime: Opened, setup: Setup
) -> None:
    before = answers(runtime)
    nothing = dataclasses.replace(setup, delegates=("external:/nowhere.so",))
    with pytest.raises(FatalError, match=r"no delegate runs .*there is no /nowhere\.so"):
        runtime.exchange(nothing, lambda: None)
    assert (runtime.delegate, runtime.setup.same(setup)) == (setup.delegates[0], True)

    def refuse() -> None:
        raise FatalError("the contract does not fit")

    with pytest.raises(FatalError, match="does not fit"):
        runtime.exchange(dataclasses.replace(setup, delegates=("cpu",)), refuse)
    assert runtime.delegate == setup.delegates[0]
    assert answers(runtime) == before


def test_a_model_file_that_is_broken_never_closes_what_runs(
    runtime: Opened, setup: Setup, tmp_path: Path
) -> None:
    broken = dataclasses.replace(setup.model, flatbuffer=setup.model.flatbuffer[:1000])
    with pytest.raises(FatalError, match=r"vww\.tflite"):
        runtime.exchange(dataclasses.replace(setup, model=broken), lambda: None)
    assert (runtime.delegate, runtime.changes) == (setup.delegates[0], 0)


def test_where_neither_the_new_nor_the_old_opens_only_a_new_start_helps(
    runtime: Opened, setup: Setup, tmp_path: Path
) -> None:
    alone = dataclasses.replace(setup, delegates=setup.delegates[:1])
    runtime.exchange(alone, lambda: None)
    (tmp_path / "now").touch()
    with pytest.raises(NoDelegateError, match="unplugged"):
        runtime.exchange(dataclasses.replace(alone, limits=Limits(3, open_s=5)), lambda: None)
    with pytest.raises(NoDelegateError, match="nothing runs this model any more"):
        answers(runtime)


def test_a_frame_that_was_prepared_for_another_model_is_not_inferred(
    runtime: Opened, setup: Setup, vww: Path
) -> None:
    other = model.load(vww)
    tensor = np.zeros(runtime.input.shape, runtime.input.dtype)
    runtime.infer(tensor, setup.model)
    runtime.exchange(dataclasses.replace(setup, model=other), lambda: None)
    with pytest.raises(ExchangedError):
        runtime.infer(tensor, setup.model)
    runtime.infer(tensor, other)


def test_the_accelerator_comes_back_by_itself_after_an_exchange(
    runtime: Opened, setup: Setup, tmp_path: Path
) -> None:
    """It fails, the CPU goes on, a reload comes: only the thread of the setup that holds tries."""
    (tmp_path / "now").touch()
    answers(runtime)
    assert runtime.delegate == "cpu"
    (tmp_path / "now").unlink()
    runtime.exchange(dataclasses.replace(setup, limits=Limits(2, 0.5, 5, 0.2)), lambda: None)
    assert runtime.delegate == setup.delegates[0]
    time.sleep(0.5)
    assert (runtime.delegate, runtime.refused) == (setup.delegates[0], ())


def test_a_hundred_exchanges_leave_no_thread_and_no_descriptor(
    runtime: Opened, setup: Setup
) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    runtime.exchange(setup, lambda: None)
    before = held()
    for _ in range(20):
        runtime.exchange(setup, lambda: None)
    until_s = time.monotonic() + 5
    while held() != before and time.monotonic() < until_s:
        time.sleep(0.05)
    assert held() == before


def test_an_ending_daemon_turns_away_who_waits_for_an_inference(
    runtime: Opened, setup: Setup
) -> None:
    runtime.stop()
    with pytest.raises(Exception, match="the daemon is ending"):
        answers(runtime)


def test_a_pipeline_goes_on_over_exchanges_of_its_model_and_loses_no_frame(vww: Path) -> None:
    """Two models of different sizes take turns while a recording runs: each frame is looked at
    once, by the model whose labels it gets."""
    models = (model.load(vww), model.load(REPOSITORY / "models/person/model.tflite"))
    with closing(start(Setup(models[0]))) as runtime:
        pictures = [np.full((480, 640, 3), value, np.uint8) for value in (0, 90, 255)]
        running = pipeline(models[0], runtime, Made(pictures, 600))

        def turn(loaded: model.Model) -> None:
            fresh = pipeline(loaded, runtime, Made(pictures, 1)).look
            running.look = dataclasses.replace(fresh, model=loaded)

        running.look = dataclasses.replace(running.look, model=models[0])
        seen, exchanges = [], []
        for number, observation in enumerate(running):
            seen.append(observation)
            if number in (50, 150, 250):
                loaded = models[number // 100 % 2 - 1]
                exchange = partial(runtime.exchange, Setup(loaded), partial(turn, loaded))
                exchanges.append(Thread(target=exchange))
                exchanges[-1].start()
            if number == 500:
                for thread in exchanges:
                    thread.join(30)
        assert len(seen) == 600
        assert [round(o.unix_s * 30) for o in seen] == list(range(600))
        labels = [{*models[0].contract.labels}, {*models[1].contract.labels}]
        assert all({d.label for d in o.detections} in labels for o in seen)
        assert runtime.changes == 3


def test_parts_that_cannot_be_opened_are_as_they_were(tmp_path: Path) -> None:
    opened: list[str] = []

    @contextmanager
    def door(config: Config) -> Iterator[str]:
        if config.device == "bad":
            raise FatalError("the door is stuck")
        opened.append(config.device)
        yield config.device
        opened.append(f"not {config.device}")

    window: Part[str] = Part(lambda config: config.device, lambda c: nullcontext(c.device))
    part: Part[str] = Part(lambda config: config.device, door)
    old, new, bad = (Config(device=name) for name in ("old", "new", "bad"))
    for each in (window, part):
        each.take(old)
    assert not part.differs(old) and part.differs(new)
    with pytest.raises(FatalError, match="stuck"), exchanged([window, part], old, bad):
        raise AssertionError("not reached")
    assert (window.now, part.now) == ("old", "old")
    with pytest.raises(ZeroDivisionError), exchanged([window, part], old, new):
        assert part.now == "new"
        raise ZeroDivisionError
    assert (window.now, part.now) == ("old", "old")
    with pytest.raises(LostError, match="stuck"), exchanged([part], bad, bad):
        pass
    part.close()
    assert opened == ["old", "not old", "old", "not old", "new", "not new", "old", "not old"]
