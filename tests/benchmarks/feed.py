"""The outbox's figures against a mosquitto on loopback: `python -m tests.benchmarks.feed [FOLDER]`.

FOLDER lies on the disk to measure. Latency: 5 events a second, from `Feed.tell` to the broker's
acknowledgement (which comes after the commit). Throughput: 500 events a second for 20 s. Bytes:
what the kernel says this process wrote (write_bytes of /proc/self/io) for each event.
"""

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from edge import config
from edge.feed.clock import Clock
from edge.feed.feed import Feed, Identity
from edge.feed.payloads import ModelRef
from edge.feed.ways import Ways, open_ways
from edge.types import Event
from tests.conftest import Mosquitto

WHO = Identity("field", "bench", ModelRef(name="n", version="1", sha256="0" * 64, delegate="cpu"))


def tell(feed: Feed, number: int) -> None:
    """Stories that start and end in turns, as a camera's do: what is open stays little."""
    now, story = time.time(), number // 2
    event = Event("end" if number % 2 else "start", story, "person", 0.9, now, now, 1.0, 3, 3)
    feed.tell("cam", event, live=True)


def written() -> int:
    """Bytes that this process caused to be written to the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


def latency(feed: Feed, ways: Ways) -> None:
    assert ways.outbox is not None
    took_ms, before = [], written()
    for number in range(100):
        began_s = time.perf_counter()
        tell(feed, number)
        while ways.outbox.delivered < ways.outbox.stored or ways.outbox.stored <= number:
            time.sleep(0.0002)
        took_ms.append((time.perf_counter() - began_s) * 1000)
        time.sleep(0.2)
    each = (written() - before) / len(took_ms)
    took_ms.sort()
    print(f"durable and acknowledged  p50 {statistics.median(took_ms):.1f} ms, "
          f"p95 {took_ms[94]:.1f} ms; {each / 1024:.1f} KiB written for each event")  # fmt: skip


def throughput(feed: Feed, ways: Ways, rate: int = 500, seconds: int = 20) -> None:
    assert ways.outbox is not None
    before, began_s, deepest = written(), time.monotonic(), 0
    for number in range(rate * seconds):
        tell(feed, number)
        if number % 50 == 0:
            deepest = max(deepest, ways.outbox.depth)
        while time.monotonic() < began_s + number / rate:
            time.sleep(0.0005)
    told_s = time.monotonic() - began_s
    missing = ways.outbox.flush(30)
    total_s = time.monotonic() - began_s
    each = (written() - before) / (rate * seconds)
    print(f"{rate * seconds} events in {told_s:.1f} s, acknowledged by {total_s:.1f} s, {missing} "
          f"missing, at most {deepest} waiting; {each / 1024:.1f} KiB for each")  # fmt: skip


def main() -> None:
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
        broker = Mosquitto(folder)
        broker.start()
        stack.callback(broker.stop)
        flags = {"mqtt": {"broker": broker.address}, "outbox": {"folder": str(folder)}}
        section = config.load(None, flags | {"device": "field"})
        ways = stack.enter_context(open_ways(section, json_lines=False, mqtt=True))
        assert ways.client is not None
        ways.client.connected.wait(5)
        feed = Feed(WHO, ways, section.feed, Clock())
        latency(feed, ways)
        throughput(feed, ways)


if __name__ == "__main__":
    main()
