"""No thread dies unsaid: each is made to raise, says one line, and is back within its back-off."""

import logging
import threading
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from edge import model
from edge.config import Config, FeedConfig, FileConfig, SourceConfig
from edge.daemon import looks, metrics
from edge.daemon.chore import Chore, say_deaths
from edge.daemon.complaints import AGAIN_S, Complaints
from edge.daemon.looks import Looks
from edge.daemon.memory import Memory
from edge.daemon.outlets import File
from edge.daemon.worker import Worker
from edge.errors import FatalError, TransientError
from edge.feed.clock import Clock
from edge.feed.feed import Feed, Identity
from edge.feed.message import Message
from edge.feed.payloads import ModelRef, StatusPayload
from edge.feed.ways import Ways
from edge.pipeline import Look
from edge.runtime.runtime import NoDelegateError, open_runtime
from edge.sources.newest import Newest
from edge.types import Frame
from tests.conftest import REPOSITORY, free_port

PERSON = REPOSITORY / "models/person/model.tflite"
MODEL = ModelRef(name="m", version="1", sha256="0", delegate="cpu")


def until(condition: Callable[[], bool], limit_s: float = 10) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def said(caplog: pytest.LogCaptureFixture, word: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if word in r.getMessage()]


def feed() -> Feed:
    return Feed(Identity("field", "boot", MODEL), Ways(), FeedConfig(), Clock())


class Yard(Worker):
    """A source with a part that raises."""

    def __init__(self, made: Looks) -> None:
        super().__init__("yard", made.plan.config.source["yard"], self.look, feed())
        self.raises: list[Exception] = []
        self._looks = made

    def look(self, before: Look | None, live: bool) -> Look:
        if self.raises:
            raise self.raises.pop(0)
        return self._looks.look("yard", before, live)


@pytest.fixture(scope="module")
def watched() -> Callable[[Path], Looks]:
    runtime = open_runtime(model.load(PERSON))

    def make(folder: Path) -> Looks:
        uri = f"dir:{folder}?watch"
        config = Config.model_validate(
            {"device": "field", "model": {"path": str(PERSON)}, "source": {"yard": {"uri": uri}}}
        )
        plan = looks.plan(config)
        return Looks(looks.Plan(config, runtime.setup.model, plan.books), runtime, Memory(None))

    return make


@pytest.fixture
def yard(tmp_path: Path, watched: Callable[[Path], Looks]) -> Iterator[Yard]:
    """A live source; what its test appends to `raises` is what its parts raise first."""
    folder = tmp_path / "yard"
    folder.mkdir()
    made = watched(folder)
    source = Yard(made)
    yield source
    source.stop()
    if source.thread.is_alive():
        source.thread.join(5)


def show(folder: Path, name: str) -> None:
    cv2.imwrite(str(folder / f".{name}"), np.full((96, 96, 3), 90, np.uint8))
    (folder / f".{name}").rename(folder / name)


def test_a_source_whose_part_raises_is_offline_with_the_reason_and_back_within_its_backoff(
    yard: Yard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    yard.raises += [ValueError("a\nb"), FatalError("no such thing"), MemoryError()]
    yard.thread.start()
    until(lambda: yard.stats.reason.startswith("unexpected ValueError: a?b; please report"))
    assert yard.stats.status(None).state == "offline"
    until(lambda: yard.stats.reason == "no such thing")
    until(lambda: yard.owes)
    time.sleep(0.6)
    show(tmp_path / "yard", "1.png")
    until(lambda: yard.stats.online)
    assert (yard.error, yard.thread.is_alive()) == (None, True)
    assert len(said(caplog, "unexpected ValueError")) == len(said(caplog, "no such thing")) == 1
    assert said(caplog, "again")[-1] == "source yard: delivers frames again"


def test_a_watched_folder_that_goes_away_is_its_own_matter(
    yard: Yard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "yard").rmdir()
    yard.thread.start()
    until(lambda: "there is no such folder" in yard.stats.reason)
    assert yard.failing
    (tmp_path / "yard").mkdir()
    until(lambda: yard.owes)
    time.sleep(0.6)
    show(tmp_path / "yard", "1.png")
    until(lambda: yard.stats.online)


def test_nothing_left_that_infers_is_no_source_s_matter(yard: Yard) -> None:
    yard.raises.append(NoDelegateError("no delegate runs this model"))
    yard.thread.start()
    until(lambda: not yard.thread.is_alive())
    assert isinstance(yard.error, NoDelegateError)


def test_a_missing_recording_is_waited_for_beside_others_and_alone_it_ends(tmp_path: Path) -> None:
    worker = Worker("film", SourceConfig(uri=f"file:{tmp_path}/1.mp4"), None, feed())  # type: ignore[arg-type]
    company = [True]
    worker.company = lambda: company[0]
    worker.thread.start()
    until(lambda: worker.failing)
    assert "there is no such file" in worker.stats.reason
    assert worker.error is None
    company[0] = False
    until(lambda: not worker.thread.is_alive())
    assert worker.error is not None


def test_the_camera_s_thread_hands_over_whatever_it_raises() -> None:
    def grab(stopped: Event) -> Iterator[Frame]:
        raise UnicodeDecodeError("utf-8", b"\xe4", 0, 1, "invalid")

    with pytest.raises(TransientError):
        list(Newest(grab))


def test_a_sink_that_raises_costs_its_own_lines_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = File(FileConfig(path=tmp_path / "lines"))
    sink.close()
    for _ in range(3):
        sink.publish(Message("hedgerow/field/yard/event", "{}"))
    assert len(said(caplog, "file.path")) <= 1


def test_a_duty_of_the_daemon_that_raises_is_said_once_and_done_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []

    def duty() -> bool:
        done.append(len(done))
        if len(done) < 3:
            raise OverflowError("too large")
        return True

    chore = Chore("commands", duty)
    assert [chore.step() for _ in range(3)] == [False, False, True]
    assert said(caplog, "commands") == [
        "commands: unexpected OverflowError: too large; please report it; everything else goes on"
    ]

    def refuse() -> None:
        raise FatalError("the broker refuses the password")

    with pytest.raises(FatalError):
        Chore("broker", refuse).step()


def test_a_scrape_that_fails_says_one_line_and_the_next_one_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port, failing = free_port(), [True]

    def report() -> StatusPayload:
        raise KeyError("cam") if failing[0] else RuntimeError("later")

    with metrics.serve(port, report):
        for _ in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                assert answer.status == 200
        failing[0] = False
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).close()
    assert len(said(caplog, "KeyError")) == len(said(caplog, "RuntimeError")) == 1


def test_any_other_thread_that_dies_says_so_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    before = threading.excepthook

    def die() -> None:
        raise LookupError("one\ntwo")

    try:
        say_deaths()
        thread = Thread(target=die, name="helper")
        thread.start()
        thread.join()
    finally:
        threading.excepthook = before
    assert said(caplog, "helper") == ["thread helper ended: unexpected LookupError: one?two"]


def test_what_flaps_is_said_when_it_is_new_and_then_counted_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    complaints = Complaints("source one", lambda: now[0])
    for number in range(1000):
        now[0] += 1.0
        complaints.fails("answers 503" if number % 2 else "answers 500")
        complaints.works("delivers frames again")
    lines = said(caplog, "source one")
    assert lines[0] == "source one: answers 500; trying again every few seconds"
    assert [line for line in lines if "failed" in line] == [
        f"source one: failed {n * AGAIN_S + 1:.0f} times, lately: answers 500" for n in (1, 2, 3)
    ]
    assert len(lines) == 6
    complaints.settled()
    complaints.fails("answers 500")
    assert len(said(caplog, "answers 500; trying")) == 2


def test_a_reason_that_is_another_one_each_time_floods_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = iter(range(1, 1000))
    complaints = Complaints("source a", lambda: float(next(clock)))
    for number in range(900):
        complaints.fails(f"answers with {number}")
    assert len(caplog.records) < 40
    assert caplog.messages[-1].startswith("source a: failed ")


def test_a_reader_that_does_not_get_its_next_item_can_be_ended(tmp_path: Path) -> None:
    """A share that hangs: the worker ends, and tells the ends of its stories."""
    from edge.ahead import Ahead

    hangs = Event()

    def items() -> Generator[int, None, None]:
        yield 1
        hangs.wait(20)
        yield 2

    ahead = Ahead(items())
    got: list[int] = []
    thread = Thread(target=lambda: [*map(got.append, ahead)])
    thread.start()
    until(lambda: got == [1])
    ahead.stop()
    thread.join(2)
    hangs.set()
    assert not thread.is_alive()
