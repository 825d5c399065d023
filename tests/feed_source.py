"""Events as fast as they are taken, through the daemon's own Feed, Outbox and MQTT connection.

`python -m tests.feed_source CONFIG COUNT SOURCES [RATE]`: COUNT events from SOURCES sources in
turn; `frames_seen` is each event's number. Started again after a kill, it goes on after the last
event in the journal. Prints `from N`, then `stored N` after commits: what must never be lost.
RATE: events a second; 0 or absent: as fast as the outbox stores them.
"""

import json
import sys
import time
from pathlib import Path

from edge import config
from edge.feed import journal_file
from edge.feed.clock import Clock
from edge.feed.feed import Feed, Identity
from edge.feed.payloads import ModelRef
from edge.feed.ways import Ways, open_ways
from edge.types import Event

AHEAD = 200
"""Told and not yet stored, at most."""


def event(number: int) -> Event:
    kind = ("start", "update", "end")[number % 3]
    now = time.time()
    return Event(kind, number // 3, "person", 0.9, now, now, 1.0, number, number)  # type: ignore[arg-type]


def last_number(section: config.Config) -> int:
    """The number of the newest event that a killed run left in the journal."""
    path = journal_file.default_path(section.outbox, section.device)
    assert path is not None
    if not path.exists():
        return 0
    book, _ = journal_file.open_journal(path, section.outbox)
    newest = book.between(book.last_seq - 1, book.last_seq, 1)
    book.close()
    return int(json.loads(newest[0].payload)["frames_seen"]) if newest else 0


def tell(feed: Feed, ways: Ways, numbers: range, sources: int, rate: float) -> None:
    assert ways.outbox is not None
    outbox, first = ways.outbox, ways.outbox.stored + 1 - numbers.start
    said = 0
    began_s = time.monotonic()
    for told, number in enumerate(numbers):
        feed.tell(f"cam{number % sources}", event(number), live=True)
        while rate and time.monotonic() < began_s + told / rate:
            time.sleep(0.0005)
        while number - (outbox.stored - first) > AHEAD:
            time.sleep(0.0005)
        stored = outbox.stored - first
        if stored != said:
            said = stored
            print("stored", said, flush=True)
    while outbox.stored - first < numbers[-1]:
        time.sleep(0.001)
    print("stored", numbers[-1], flush=True)


def main() -> None:
    section = config.load(Path(sys.argv[1]))
    total, sources = int(sys.argv[2]), int(sys.argv[3])
    rate = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    first = last_number(section) + 1
    print("from", first, flush=True)
    who = Identity(section.device, f"{time.monotonic_ns():x}", ModelRef(
        name="none", version="1", sha256="0" * 64, delegate="cpu"))  # fmt: skip
    with open_ways(section, json_lines=False, mqtt=True) as ways:
        feed = Feed(who, ways, section.feed, Clock())
        if first <= total:
            tell(feed, ways, range(first, total + 1), sources, rate)
        missing = feed.flush(120)
    print("missing", missing, flush=True)


if __name__ == "__main__":
    main()
