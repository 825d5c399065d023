"""`edge run` with a real detector on a real video: six people, six stories, and where they went."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge.feed.incidence import SummaryPayload
from edge.feed.payloads import EventPayload, StatePayload
from edge.feed.reader import Reader, Received
from tests.conftest import Edge, Mosquitto, free_port
from tests.integration.test_run import PERSON_VIDEO, bodies, read

FPS = 10
PLACES = """
[source.hall]
uri = "file:{video}"
[source.hall.zone.left]
polygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
[source.hall.line.middle]
start = [0.5, 1.0]
end = [0.5, 0.0]
"""


def stories(events: Sequence[EventPayload]) -> list[tuple[float, float]]:
    """First and last agreeing frame of each story, in the video's frames, in its order."""
    ends = [e for e in events if e.event_type == "end"]
    return [(first := seconds(e.started) * FPS, first + e.duration_s * FPS) for e in ends]


def seconds(time: str) -> float:
    hours, minutes, rest = time[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def truth(testdata: Path) -> list[tuple[int, int]]:
    told: dict[str, Any] = json.loads((testdata / "videos/ground_truth.json").read_text())
    return told["videos"]["one-by-one-person-detection.mp4"]["intervals"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def said(
    edge: Edge, ssd: Path, testdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Received]:
    """All that the feed says of the six people, from one run at the default settings."""
    folder = tmp_path_factory.mktemp("hall")
    config = folder / "edge.toml"
    config.write_text(PLACES.format(video=testdata / PERSON_VIDEO))
    broker = Mosquitto(folder)
    broker.start()
    try:
        with read(broker) as reader:
            assert isinstance(reader, Reader)
            done = edge(
                "run", "--config", config, "--model", ssd, "--broker", broker.address,
                "--device", "field", timeout_s=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return list(reader.messages(0.5))
    finally:
        broker.stop()


def test_six_people_are_six_stories_at_the_right_time(said: list[Received], testdata: Path) -> None:
    events = [EventPayload.model_validate(body) for body in bodies(said, "event")]
    found, wanted = stories(events), truth(testdata)
    assert {e.label for e in events} == {"person"}
    assert len(found) == len(wanted) == 6
    for (first, last), (came, went) in zip(found, wanted, strict=True):
        assert abs(first - came) <= 10 and abs(last - went) <= 10
    times = [(e.event_type, seconds(e.time) * FPS) for e in events if e.event_type != "update"]
    for (kind, at), (which, true) in zip(
        times, [(k, t) for pair in wanted for k, t in zip(("start", "end"), pair, strict=True)],
        strict=True,
    ):  # fmt: skip
        assert kind == which and abs(at - true) <= 10, "nor is it told any later"


def test_each_event_says_who_and_where(said: list[Received]) -> None:
    events = [EventPayload.model_validate(body) for body in bodies(said, "event")]
    assert len({e.track for e in events}) == 6
    assert all(e.box is not None for e in events)
    crossed = [e for e in events if e.change == "crossed"]
    assert {(e.place, e.direction) for e in crossed} == {("middle", "forward")}
    left = [e for e in events if e.change == "left"]
    assert all(e.place == "left" and e.zones == () for e in left)
    assert all(set(e.dwell_s) == set(e.zones) for e in events)


def test_the_state_counts_who_is_there(said: list[Received]) -> None:
    states = [StatePayload.model_validate(body) for body in bodies(said, "state")]
    assert {tuple(s.counts.items()) for s in states} == {(), (("person", 1),)}
    assert {"left": {"person": 1}} in [s.zones for s in states]
    crossed = sum(e.get("change") == "crossed" for e in bodies(said, "event"))
    assert states[-1].lines == {"middle": {"forward": crossed, "backward": 0}}
    assert states[-1].counts == {} and states[-1].zones == {}


def run(edge: Edge, model: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """`edge run` with that file, to its end; MQTT goes to a broker of its own."""
    broker = f"embedded:{free_port()}"
    done = edge("run", "--config", config, "--model", model, "--json", "--broker", broker)
    assert done.returncode == 0, done.stderr
    return done


def test_a_folder_of_pictures_has_a_summary(
    edge: Edge, vww: Path, testdata: Path, tmp_path: Path
) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(
        f"[summary]\nenabled = true\nsample_s = 0.0\n"
        f'[source.yard]\nuri = "dir:{testdata}/images/vww01-open"\n'
    )
    done = run(edge, vww, config)
    told = [json.loads(text) for text in done.stdout.splitlines() if "summary/1" in text]
    payload = SummaryPayload.model_validate(told[-1])
    assert payload.complete and payload.frames == 131
    person = payload.labels["person"]
    assert 0 < person.low < person.share == round(person.frames / 131, 4) < person.high < 1


def test_quiet_frames_are_not_inferred(
    edge: Edge, vww: Path, testdata: Path, tmp_path: Path
) -> None:
    config = tmp_path / "edge.toml"
    video = testdata / "videos/car-detection.mp4"
    config.write_text(f'[motion]\nenabled = true\n[source.road]\nuri = "file:{video}"\n')
    done = run(edge, vww, config)
    looked = [text for text in done.stdout.splitlines() if "observation/1" in text]
    assert "377 frames" in done.stderr
    assert 104 - 55 + 237 - 182 + 347 - 316 <= len(looked) <= 300, "cars, and few frames more"


def test_an_event_leaves_a_snapshot_and_a_clip(
    edge: Edge, vww: Path, testdata: Path, tmp_path: Path
) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(
        f'[record]\nsnapshots = true\nclips = true\nfree_mb = 0.0\nfolder = "{tmp_path}/media"\n'
        f'[source.door]\nuri = "file:{testdata}/videos/yes.mkv"\n'
    )
    done = run(edge, vww, config)
    starts = done.stdout.count('"event_type":"start"')
    left = [path.suffix for path in sorted((tmp_path / "media/door").iterdir())]
    assert starts and left.count(".jpg") == starts
    assert 1 <= left.count(".webm") <= starts


def test_zones_need_a_detector(edge: Edge, vww: Path, testdata: Path, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(PLACES.format(video=testdata / PERSON_VIDEO))
    done = edge("run", "--config", config, "--model", vww, "--json")
    assert done.returncode == 78
    assert "source.hall: zones and lines need a model with task = detect" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_label_that_the_model_does_not_have_is_named(
    edge: Edge, vww: Path, testdata: Path, tmp_path: Path
) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(f'[events]\nlabels = ["persn"]\n[source.a]\nuri = "dir:{testdata}"\n')
    done = edge("run", "--config", config, "--model", vww, "--json")
    assert done.returncode == 78
    assert "events.labels: the model vww has no label 'persn'" in done.stderr
