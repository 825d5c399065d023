"""Normalisation, labels and thresholds as the user writes them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.labels import read_labels, read_thresholds
from converter.options import Options, statistics
from edge.errors import FatalError


def test_the_named_normalisations() -> None:
    assert statistics("0..1", "rgb") == ((0.0,), (255.0,))
    assert statistics("-1..1", "rgb") == ((127.5,), (127.5,))
    assert statistics("none", "grey") == ((0.0,), (1.0,))
    rgb, bgr = statistics("imagenet", "rgb"), statistics("imagenet", "bgr")
    assert rgb[0] == (123.675, 116.28, 103.53)
    assert bgr[0] == rgb[0][::-1]


def test_numbers_are_one_pair_or_one_per_channel() -> None:
    assert statistics("127.5,64", "grey") == ((127.5,), (64.0,))
    assert statistics("-1,2,3,4,5,6", "bgr") == ((-1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


@pytest.mark.parametrize("text", ["", "1", "1,2,3,4", "0,0", "1,-1", "a,b", "2..3"])
def test_other_normalisations_are_refused(text: str) -> None:
    with pytest.raises(FatalError, match="--normalize"):
        statistics(text, "rgb")


def test_labels_from_a_list_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("crop\nweed\n\n")
    assert read_labels("crop, weed") == read_labels(str(file)) == ("crop", "weed")
    many = tuple(f"label {number}" for number in range(1000))
    assert read_labels(",".join(many)) == many
    with pytest.raises(FatalError, match="neither a file nor a list"):
        read_labels("nowhere.txt")
    with pytest.raises(FatalError, match="'crop' occurs more than once"):
        read_labels("crop,crop")


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1), st.floats(0, 1))
def test_thresholds_keep_label_and_score(label: str, score: float) -> None:
    assert read_thresholds((f"{label}={score}",)) == {label: score}


@pytest.mark.parametrize("value", ["person", "person=", "=0.5", "person=1.5", "person=x"])
def test_other_thresholds_are_refused(value: str) -> None:
    with pytest.raises(FatalError, match="expected LABEL=SCORE"):
        read_thresholds((value,))


LABEL_FILES = {
    "plain": "Rock\nSand\nOak\n",
    "numbered": "0 Rock\n1 Sand\n2 Oak\n",
    "numbered in another order": "2 Oak\n0 Rock\n1 Sand\n",
    "from one": "1. Rock\n2. Sand\n3. Oak\n",
    "colon": "0: Rock\n1: Sand\n2: Oak\n",
    "semicolon": "0;Rock\n1;Sand\n2;Oak\n",
    "tab": "0\tRock\n1\tSand\n2\tOak\n",
    "header": "index,label\n0,Rock\n1,Sand\n2,Oak\n",
    "number behind": "Rock,0\nOak,2\nSand,1\n",
    "Keras' class_indices": '{"Oak": 2, "Rock": 0, "Sand": 1}',
    "the same turned round": '{"0": "Rock", "2": "Oak", "1": "Sand"}',
    "JSON list": '["Rock", "Sand", "Oak"]',
    "empty lines": "\nRock\n\nSand  \n\tOak\n\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", LABEL_FILES)
def test_every_way_to_write_a_label_file(
    tmp_path: Path, kind: str, ends: str, encoding: str
) -> None:
    file = tmp_path / "labels.txt"
    written = LABEL_FILES[kind].replace("Oak", "Möhre").replace("\n", ends)
    file.write_bytes(written.encode(encoding))
    assert read_labels(str(file)) == ("Rock", "Sand", "Möhre")


def test_labels_that_only_look_numbered_stay(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    for content in (["zone 0", "zone 1"], ["3 point turn", "7 spot"], ["0", "1", "2"]):
        file.write_text("\n".join(content))
        assert read_labels(str(file)) == tuple(content)


def test_labels_are_in_unicodes_composed_form() -> None:
    assert read_labels("Mo\u0308hre,weed") == ("Möhre", "weed")
    with pytest.raises(FatalError, match="occurs more than once"):
        read_labels("Mo\u0308hre,Möhre")


@pytest.mark.parametrize("content", ["a\x1b[2J\nb", "x" * 300 + "\nb", '{"a": [1]}', "{broken"])
def test_labels_that_cannot_be_shown_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_text(content)
    with pytest.raises(FatalError, match="--labels"):
        read_labels(str(file))


@pytest.mark.parametrize(
    "values", [("a=.7,b=.5",), ("a=.7", "b=.5"), ("a=0.70 , b=0.5",), ("a=.7;b=.5",)]
)
def test_thresholds_with_commas(values: tuple[str, ...]) -> None:
    assert read_thresholds(values) == {"a": 0.7, "b": 0.5}


def test_a_threshold_for_a_label_with_commas() -> None:
    assert read_thresholds(("crab apple, wild=.5",)) == {"crab apple, wild": 0.5}
    assert read_thresholds(("crab apple, wild=.5,b=1",)) == {"crab apple, wild": 0.5, "b": 1}
    assert read_thresholds(("x=y=.5",)) == {"x=y": 0.5}


@pytest.mark.parametrize("text", ["nan,1", "0,inf", "nan,nan", "1e999,1"])
def test_a_normalization_is_finite(text: str) -> None:
    with pytest.raises(FatalError, match="must be finite"):
        statistics(text, "rgb")


@pytest.mark.parametrize(
    "given",
    [
        {"max_drop": float("nan")},
        {"max_drop": float("inf")},
        {"reject_below": float("nan")},
        {"crop_fraction": float("nan")},
        {"crop_fraction": 0.0},
        {"input_size": (100_000, 100_000)},
        {"name": "x" * 248},
    ],
)
def test_numbers_that_mean_nothing_are_refused_at_once(given: dict[str, Any]) -> None:
    with pytest.raises(FatalError, match=f"--{next(iter(given)).replace('_', '-')}: "):
        Options(**given)
