"""The models in models/: they run here as they ran at conversion, and say what they are."""

import json
from pathlib import Path

import pytest

from edge import model
from edge.runtime.runtime import open_runtime
from tests.conftest import REPOSITORY, Edge, free_port

MODELS = sorted((REPOSITORY / "models").glob("*/model.tflite"))


def test_there_are_models() -> None:
    assert "person" in [path.parent.name for path in MODELS]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: str(path.parent.name))
def test_the_file_is_whole_small_and_gives_its_golden_answers(path: Path) -> None:
    assert path.stat().st_size < 1_000_000
    loaded = model.load(path)
    assert loaded.contract.name == path.parent.name
    assert loaded.golden is not None and len(loaded.golden.inputs) >= 2
    assert open_runtime(loaded).delegate == "cpu"
    assert loaded.contract.provenance["source_sha256"]
    assert (path.parent / "README.md").exists() and (
        path.parent / f"{path.parent.name}.keras"
    ).exists()


def labels(edge: Edge, path: Path, folder: Path) -> list[tuple[str, str]]:
    """(the picture's folder, the label that `edge run` gives it) for every picture."""
    done = edge("run", "--source", f"dir:{folder}", "--model", path, "--json")
    assert done.returncode == 0, done.stderr
    seen = [json.loads(text) for text in done.stdout.splitlines() if "observation/1" in text]
    return [(str(Path(o["origin"]).parent), o["label"]) for o in seen]


HELD_OUT = {
    "bean-leaf": ("ibean-192", "val", 0.90),
    "apple-leaf": ("plantvillage-apple-128", "test", 0.985),
    "weeds": ("deepweeds-128", "val", 0.85),
}
"""Data set, list and the least share that must be right."""


@pytest.mark.parametrize("name", HELD_OUT)
def test_the_card_states_what_edge_measures_on_the_held_out_list(
    name: str, edge: Edge, testdata: Path, tmp_path: Path
) -> None:
    dataset, part, least = HELD_OUT[name]
    source = testdata / "datasets" / dataset
    for line in (source / f"{part}.txt").read_text().split():
        (tmp_path / line).parent.mkdir(exist_ok=True)
        (tmp_path / line).symlink_to(source / "images" / line)
    folder = REPOSITORY / "models" / name
    found = labels(edge, folder / "model.tflite", tmp_path)
    right = sum(truth == label for truth, label in found) / len(found)
    assert f"**{right * 100:.1f} % (" in (folder / "README.md").read_text()
    assert right >= least


class TestPerson:
    path = REPOSITORY / "models/person/model.tflite"

    def test_the_card_states_what_edge_measures_on_the_held_out_pictures(
        self, edge: Edge, testdata: Path
    ) -> None:
        found = labels(edge, self.path, testdata / "images/vww01-open")
        right = sum(truth == label for truth, label in found)
        assert f"{right} of {len(found)}" in (self.path.parent / "README.md").read_text()
        assert right / len(found) >= 0.80

    @pytest.mark.usefixtures("demo_photographs")
    def test_the_demo_finds_the_person_and_nobody_else(self, edge: Edge, tmp_path: Path) -> None:
        config = tmp_path / "edge.toml"
        config.write_text("[events]\nenter = 0.55\n")  # as `make demo` sets it; see the card
        run = ("run", "--config", config, "--broker", f"embedded:{free_port()}", "--json")
        done = edge(*run, "--source", "demo:?fps=0", "--model", self.path)
        assert done.returncode == 0, done.stderr
        payloads = [json.loads(text) for text in done.stdout.splitlines()]
        showing, events = "", []
        for payload in payloads:
            showing = payload.get("origin", showing)
            if "event_type" in payload:
                events.append((payload["event_type"], payload["label"], showing))
        assert events[0] == ("start", "person", "astronaut.png")
        assert [event[:2] for event in events] == [("start", "person"), ("end", "person")]
