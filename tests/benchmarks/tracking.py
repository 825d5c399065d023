"""MOTA, IDF1 and identity switches on the synthetic scene: edge's tracker and libraries.

`pip install motmetrics trackers norfair supervision; python -m tests.benchmarks.tracking`
runs each tracker that is installed, at its defaults and with as much patience as ours, on ten
scenes at each frame rate, and then times 50 tracks.
"""

import time
import warnings
from collections.abc import Callable, Iterable

import numpy as np

from edge.track import Tracker, TrackRule, match
from edge.types import Box, Detection, Frame
from tests.benchmarks.scene import Moment, play

Told = list[tuple[int, Box]]
"""One frame's tracks: number and place."""
SIZE = np.array([768, 432, 768, 432])
PIXELS = np.zeros((1, 1, 3), np.uint8)


def ours(moments: list[Moment], fps: float) -> Iterable[Told]:
    """edge.track at its defaults; a track counts from its third sure frame, as in events."""
    tracker = Tracker(TrackRule(lambda _: 0.5, lambda _: 0.25))
    sure: dict[int, int] = {}
    for moment in moments:
        frame = Frame(PIXELS, moment.at_s, moment.at_s, moment.at_s)
        tracks = tracker.update(frame, moment.detections)
        for track in tracks:
            sure[track.number] = sure.get(track.number, 0) + (track.seen and track.score >= 0.5)
        yield [(t.number, t.box) for t in tracks if t.seen and sure[t.number] >= 3]


def roboflow(name: str) -> Callable[[list[Moment], float], Iterable[Told]]:
    """A tracker of the library `trackers`."""

    def run(moments: list[Moment], fps: float) -> Iterable[Told]:
        import supervision
        import trackers

        patience = {"lost_track_buffer": round(1.5 * 30), "frame_rate": fps}
        tracker = getattr(trackers, name)(**patience, minimum_consecutive_frames=3)
        for moment in moments:
            boxes, scores = _arrays(moment.detections)
            given = supervision.Detections(
                xyxy=boxes.reshape(-1, 4), confidence=scores, class_id=np.zeros(len(scores), int)
            )
            told = tracker.update(given)
            numbers = [] if told.tracker_id is None else told.tracker_id.tolist()
            yield [
                (number, Box(*(box / SIZE).tolist()))
                for number, box in zip(numbers, told.xyxy, strict=True)
                if number >= 0
            ]

    return run


def norfair(moments: list[Moment], fps: float) -> Iterable[Told]:
    """norfair with IoU."""
    import norfair as library

    tracker = library.Tracker(
        "iou", distance_threshold=0.7, hit_counter_max=round(1.5 * fps), initialization_delay=2
    )
    for moment in moments:
        boxes, _ = _arrays(tuple(d for d in moment.detections if d.score >= 0.5))
        given = [library.Detection(points=box.reshape(2, 2)) for box in boxes]
        told = tracker.update(detections=given)
        yield [
            (t.id, Box(*(t.estimate.reshape(4) / SIZE).tolist()))
            for t in told
            if t.last_detection in given
        ]


def judge(track: Callable[[list[Moment], float], Iterable[Told]], fps: float) -> str:
    """The mean over ten scenes."""
    import motmetrics

    books = []
    for seed in range(10):
        book = motmetrics.MOTAccumulator(auto_id=True)
        moments = play(seed, fps=fps)
        for moment, told in zip(moments, track(moments, fps), strict=True):
            far = 1 - match.iou(_edges(moment.truth.values()), _edges(box for _, box in told))
            far[far > 0.5] = np.nan
            book.update(list(moment.truth), [number for number, _ in told], far)
        books.append(book)
    names = ["mota", "idf1", "num_switches", "num_fragmentations", "num_false_positives"]
    table = motmetrics.metrics.create().compute_many(books, metrics=names, generate_overall=True)
    row = table.loc["OVERALL"]
    return (
        f"MOTA {row.mota:.1%}  IDF1 {row.idf1:.1%}  switches {row.num_switches:.0f}  "
        f"false {row.num_false_positives:.0f}"
    )


def time_ours(count: int = 50, rounds: int = 400) -> float:
    """Median milliseconds of processor time of one update with that many walking tracks."""
    chance = np.random.default_rng(0)
    corners = chance.uniform(0, 0.9, (count, 2))
    tracker = Tracker(TrackRule(lambda _: 0.5, lambda _: 0.25))
    took_ms = []
    for number in range(rounds):
        moved = corners + 0.002 * number / 10 + chance.normal(0, 0.002, corners.shape)
        found = tuple(Detection("person", 0.8, Box(x, y, x + 0.05, y + 0.1)) for x, y in moved)
        at_s = number / 10
        began_s = time.thread_time()
        told = tracker.update(Frame(PIXELS, at_s, at_s, at_s), found)
        took_ms.append((time.thread_time() - began_s) * 1e3)
    assert len(told) >= count * 0.9
    return float(np.median(took_ms))


def _arrays(found: tuple[Detection, ...]) -> tuple[np.ndarray, np.ndarray]:
    boxes = [(b.x_min, b.y_min, b.x_max, b.y_max) for d in found if (b := d.box)]
    return np.array(boxes, float).reshape(-1, 4) * SIZE, np.array([d.score for d in found])


def _edges(boxes: Iterable[Box]) -> np.ndarray:
    return np.array([(b.x_min, b.y_min, b.x_max, b.y_max) for b in boxes], float).reshape(-1, 4)


def main() -> None:
    """Print a line per tracker and frame rate."""
    warnings.simplefilter("ignore")
    for fps in (30.0, 10.0, 3.0):
        for name, track in (
            ("edge.track", ours),
            ("trackers ByteTrack", roboflow("ByteTrackTracker")),
            ("trackers SORT", roboflow("SORTTracker")),
            ("norfair", norfair),
        ):
            try:
                print(f"{fps:4.0f} fps  {name:19} {judge(track, fps)}", flush=True)
            except ImportError as error:
                print(f"{fps:4.0f} fps  {name:19} not installed: {error.name}")
    print(f"50 tracks: {time_ours():.3f} ms an update (median)")


if __name__ == "__main__":
    main()
