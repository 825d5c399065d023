"""The pipeline: preprocessing runs ahead by one frame, and not a frame is lost or mixed up."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from edge import model
from edge.ahead import Ahead
from edge.cli.measure import Made, pipeline
from edge.errors import TransientError
from edge.preprocess import Preprocess
from edge.runtime.runtime import open_runtime
from edge.sources.newest import Newest
from edge.types import Frame, Image


def pictures(count: int) -> list[Image]:
    random = np.random.default_rng(5)
    coarse = random.integers(0, 256, (count, 6, 8, 3), np.uint8)
    return [np.repeat(np.repeat(image, 80, 0), 80, 1) for image in coarse]


def test_ahead_makes_one_item_while_the_one_before_is_used() -> None:
    made: list[int] = []

    def items() -> Generator[int, None, None]:
        for number in range(4):
            made.append(number)
            yield number

    for number in Ahead(items()):
        ahead = min(number + 2, 4)
        until_s = time.monotonic() + 10
        while len(made) < ahead and time.monotonic() < until_s:
            time.sleep(0.01)
        assert made == list(range(ahead)), "one ahead, no more"


def test_ahead_raises_what_the_items_raise_and_closes_them_in_their_thread() -> None:
    threads: list[str] = []

    def items() -> Generator[int, None, None]:
        try:
            yield 1
            raise TransientError("the camera is gone")
        finally:
            threads.append(threading.current_thread().name)

    with pytest.raises(TransientError, match="the camera is gone"):
        list(Ahead(items()))
    reader = iter(Ahead(items()))
    assert next(reader) == 1
    reader.close()  # type: ignore[attr-defined]
    until_s = time.monotonic() + 5
    while len(threads) < 2 and time.monotonic() < until_s:
        time.sleep(0.01)
    assert threads == ["ahead", "ahead"]


def test_every_frame_gets_its_own_labels(vww: Path) -> None:
    """The two buffers that tensors are written to in turn never mix frames up."""
    loaded = model.load(vww)
    runtime = open_runtime(loaded)
    images = pictures(5)
    preprocess = Preprocess(loaded.contract.input, runtime.input)
    outputs = [runtime.infer(preprocess(image)[0])[0] for image in images]
    expected = [float(runtime.output.dequantize(output)[0, 1]) for output in outputs]
    seen = list(pipeline(loaded, runtime, Made(images, 200)))
    scores = [next(d.score for d in o.detections if d.label == "person") for o in seen]
    assert len(set(expected)) > 1
    assert scores == pytest.approx(expected * 40)
    assert all(o.latency_s >= o.prepare_s + o.infer_s > 0 for o in seen)


def test_a_live_frame_is_as_fresh_as_the_inference_lets_it_be(
    vww: Path, delegate: Callable[..., str]
) -> None:
    """A camera that is faster than the model: the frame inferred was not taken one whole
    inference too early."""
    loaded = model.load(vww)
    runtime = open_runtime(loaded, (delegate(mode="slow"),))

    def camera(stopped: Event) -> Iterator[Frame]:
        while not stopped.wait(0.005):
            now_s = time.monotonic()
            yield Frame(pictures(1)[0], now_s, time.time(), now_s)

    source = Newest(camera)
    seen = []
    for observation in pipeline(loaded, runtime, source):
        seen.append(observation)
        if len(seen) == 20:
            source.stop()
    waited_s = [o.latency_s - o.prepare_s - o.infer_s for o in seen[8:]]
    assert np.median(waited_s) < 0.6 * 0.2, "a frame taken at once would wait 0.2 s"
