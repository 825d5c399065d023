"""Mixed precision: MobileNetV1, whose early layers int8 hurts most, with its ends in float."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from converter import Options
from converter.bench import Made, judge, quantize, reference_scores
from converter.bias import correct
from converter.flatbuffer import float_operators, unpack
from converter.layers import linears
from converter.mixed import SHARE, ends
from converter.rounding import round_for
from tests.conftest import need
from tests.lab import Lab, on_its_way

MODEL = "models/keras/google_mobilenet_v1_0.25_224_imagenet.h5"
SAMPLES = "research-only/imagenet-samples-256"
OPTIONS = Options(
    labels=tuple(map(str, range(1000))),
    normalize="-1..1",
    resize="crop",
    crop_fraction=0.875,
    progress=False,
)


@pytest.fixture(scope="module")
def lab(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need((testdata / SAMPLES).is_dir(), SAMPLES)
    scratch = tmp_path_factory.mktemp("mixed")
    folder, listing = testdata / SAMPLES, scratch / "samples.csv"
    with (folder / "labels.csv").open() as rows:
        lines = [f"{folder / row['file']},{row['class_0_999']}" for row in csv.DictReader(rows)]
    there = [line for line in lines if Path(line.rsplit(",", 1)[0]).exists()]
    listing.write_text("\n".join(there[:100]))
    with on_its_way(testdata / MODEL, listing, scratch, OPTIONS) as lab:
        yield lab


def test_ever_more_layers_in_front_go_with_the_last_up_to_a_share(lab: Lab) -> None:
    layers = linears(unpack(lab.network))
    work = [layer.multiplications for layer in layers]
    found = ends(lab.network)
    assert [depth for depth, _ in found] == [0, 2, 4, 8]
    assert sum(work[:8]) <= SHARE * sum(work) < sum(work[:16])
    assert [layer.name for layer in layers[:2]] == list(found[1][1][:2])
    assert all(tensors[-3] == layers[-1].name for _, tensors in found)


def test_with_its_ends_in_float_it_is_closer_and_they_are_left_alone(lab: Lab) -> None:
    reference = reference_scores(lab.bench, lab.network)
    feed = lab.bench.feed(lab.bench.calibration)
    whole = correct(lab.network, lab.int8, feed, progress=False)
    front = lab.bench.leaving(dict(ends(lab.network))[8])
    plain = quantize(front, lab.network, lab.extremes)
    mended = round_for(lab.network, plain, feed, progress=False)
    assert {row["layer"] for row in float_operators(mended)} >= set(front.in_float[:8])
    before, after = linears(unpack(plain)), linears(unpack(mended))
    same = [(one.weights == other.weights).all() for one, other in zip(before, after, strict=True)]
    assert [row for row, kept in enumerate(same) if kept] == [*range(8), len(same) - 1]
    one, other = (
        judge(lab.bench, Made("", lab.network, {}, flatbuffer, 0.0), reference).divergence
        for flatbuffer in (whole, mended)
    )
    assert other < one / 1.5
