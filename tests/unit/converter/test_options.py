"""Normalisation, labels and thresholds as the user writes them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.options import read_labels, read_thresholds, statistics
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
